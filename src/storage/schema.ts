import type { Generated } from 'kysely';
import type { DeviceLink, EventKind } from './log.js';

/** The tables. Times are epoch milliseconds, JSON columns hold JSON text, booleans are 0 or 1. */
export interface Schema {
  sequences: SequenceTable;
  devices: DeviceTable;
  readings: ReadingTable;
  reading_ids: ReadingIdTable;
  latest: LatestTable;
  units: UnitTable;
  events: EventTable;
  event_ids: EventIdTable;
  rejects: RejectTable;
  reject_counts: RejectCountTable;
  messages: MessageTable;
  retained: RetainedTable;
  commands: CommandTable;
  idempotency_keys: IdempotencyKeyTable;
  leases: LeaseTable;
  device_tags: DeviceTagTable;
  credentials: CredentialTable;
  api_keys: ApiKeyTable;
  sessions: SessionTable;
  audit: AuditTable;
  presence_changes: PresenceChangeTable;
}

/** `log` gives the positions of readings and events; the next value is stored, never derived from what retention left. */
interface SequenceTable {
  name: string;
  next: number;
}

/**
 * Primary key `id`. `online`, `session`: as the last `up/status` said (null: none has), at `status_at`; `last_seen`: any sign of
 * life; `polled_at`: the last time that it asked for commands over HTTP. `version` rises with every change by a user (its ETag).
 * `presence..`: the last time that it was seen to come or go, all null where it never was.
 */
interface DeviceTable {
  id: string;
  link: DeviceLink;
  created_at: number;
  online: number | null;
  session: string | null;
  status_at: number | null;
  last_seen: number | null;
  polled_at: number | null;
  name: string | null;
  type: string | null;
  enabled: Generated<number>;
  approved: Generated<number>;
  version: Generated<number>;
  presence: string | null;
  presence_since: number | null;
  presence_reason: string | null;
  presence_source: string | null;
}

/** Primary key (device_id, key). */
interface DeviceTagTable {
  device_id: string;
  key: string;
  value: string;
}

/** What devices log in with. Primary key `id`. `hash`: SHA-256 of the secret (common/secrets.ts); `expires_at` is set when a newer one takes over. */
interface CredentialTable {
  id: string;
  device_id: string;
  hash: string;
  created_at: number;
  expires_at: number | null;
}

/** Primary key `id`, the one in `sbx_<id>_<secret>`. `scopes`: JSON array; `tags`: JSON object or null (all devices). */
interface ApiKeyTable {
  id: string;
  name: string;
  scopes: string;
  tags: string | null;
  hash: string;
  created_at: number;
  created_by: string;
  expires_at: number | null;
}

/** Sessions of the dashboard, each with a key. Primary key `hash`, of the secret in the cookie. */
interface SessionTable {
  hash: string;
  key_id: string;
  created_at: number;
  expires_at: number;
}

/** Who changed what, without what was sent. Primary key `seq`. */
interface AuditTable {
  seq: Generated<number>;
  id: string;
  at: number;
  actor: string;
  action: string;
  target: string;
  ip: string | null;
  request_id: string | null;
}

/** Changes of presence that are not in the log yet, in their order. Kept by a trigger, never written by hand. */
interface PresenceChangeTable {
  seq: Generated<number>;
  device_id: string;
  link: DeviceLink;
  state: string;
  reason: string;
  source: string;
  session: string | null;
  since: number;
}

/** Primary key `position`; unique (device_id, ts, key). `key` is `<kind letter>:<key>`: `t` id-ts, `i` id, `s` seq, `h` hash, `u` unique. */
export interface ReadingTable {
  position: number;
  device_id: string;
  ts: number;
  key: string;
  received_at: number;
  topic: string;
  historical: number;
  seq: number | null;
  values: string;
}

/** Ids of readings sent without a `ts`, kept 7 days. Primary key (device_id, id). `position` is that of the reading. */
interface ReadingIdTable {
  device_id: string;
  id: string;
  position: number;
  received_at: number;
}

/** Primary key (device_id, metric); `value` is JSON text, never `null`. Moves only to a strictly newer `ts`. */
interface LatestTable {
  device_id: string;
  metric: string;
  ts: number;
  received_at: number;
  value: string;
}

/** Units told by SenML. Primary key (device_id, metric). */
interface UnitTable {
  device_id: string;
  metric: string;
  unit: string;
}

/** Primary key `position`, from the same sequence as readings; unique (device_id, ts, key). `kind` is `event` for `up/events/{type}`, `presence` where `type` is a state. */
interface EventTable {
  position: number;
  kind: EventKind;
  device_id: string;
  type: string;
  ts: number;
  key: string;
  received_at: number;
  body: string;
}

/** The same for events: a device may number its readings and its events each from 1. */
type EventIdTable = ReadingIdTable;

/** Primary key `seq`, unique `id`; at most 10,000 per device and 100,000 in all. `payload` holds the first 1,024 bytes, `size` the whole length. */
interface RejectTable {
  seq: Generated<number>;
  id: string;
  device_id: string | null;
  topic: string;
  received_at: number;
  code: string;
  detail: string;
  payload: Uint8Array;
  size: number;
}

/**
 * Kept by triggers, never written by hand. How many rejects each device has, and under `*` how many there are in all; `dropped`:
 * how many the device's cap took, and under `*` how many both caps took.
 */
interface RejectCountTable {
  device_id: string;
  kept: number;
  dropped: number;
}

/** Raw messages, the newest 1,000,000. Primary key `seq`. */
interface MessageTable {
  seq: Generated<number>;
  topic: string;
  payload: Uint8Array;
  qos: number;
  retain: number;
  received_at: number;
}

/** Primary key `topic`. */
interface RetainedTable {
  topic: string;
  payload: Uint8Array;
  qos: number;
}

/**
 * Contract section 6. Primary key `seq`, unique `id`. `version` rises with every change; `due_at` is when the dispatcher is to
 * look at it (null: it is final); `history`: JSON array of {status, at, attempt?, by?}.
 */
interface CommandTable {
  seq: Generated<number>;
  id: string;
  device_id: string;
  link: DeviceLink;
  type: string;
  params: string;
  mode: 'result' | 'ack' | 'none';
  offline: 'queue' | 'fail';
  order: 'parallel' | 'fifo';
  max_attempts: number;
  coalesce_key: string | null;
  metadata: string;
  status: string;
  rank: number;
  final: number;
  attempts: number;
  created_at: number;
  expires_at: number;
  result_timeout_ms: number;
  deadline_at: number | null;
  next_attempt_at: number | null;
  cancel_requested_at: number | null;
  progress: number | null;
  result: string | null;
  error: string | null;
  late_result: string | null;
  version: Generated<number>;
  superseded: Generated<number>;
  last_attempt_at: number | null;
  due_at: number | null;
  history: Generated<string>;
}

/** Keys of requests that may be repeated, kept 24 h. Primary key (caller, key). `fingerprint`: hash of the request that it came with. */
interface IdempotencyKeyTable {
  caller: string;
  key: string;
  fingerprint: string;
  command_id: string;
  created_at: number;
}

/** Work that one replica at a time may own. Primary key `name`; it may be taken from `expires_at` on, by the database's clock. */
interface LeaseTable {
  name: string;
  holder: string;
  expires_at: number;
}
