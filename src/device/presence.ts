import type { Attendance, DepartureReason } from '../mqtt/attendance.js';
import type { DeviceLink } from '../storage/log.js';

/**
 * `online`, `offline`: that was seen or said last. `stale`: it was said to be online, and nothing was heard of it for so long that
 * this is doubtful. `unknown`: it was heard, but neither it nor the broker says whether it is there now. `never`: it was never heard.
 */
export type PresenceState = 'online' | 'offline' | 'stale' | 'unknown' | 'never';

/** Who told: our broker, the device itself on `up/status` (or its will), any other message or poll of it, or nobody. */
type PresenceSource = 'broker' | 'status' | 'activity' | 'none';

/** The fact behind a state; docs/presence.md has what each means. */
export type PresenceReason =
  | Attendance['reason']
  | DepartureReason
  | 'not_connected'
  | 'broker_restarted'
  | 'said_online'
  | 'said_offline'
  | 'status_cleared'
  | 'activity'
  | 'polled'
  | 'silent'
  | 'never_seen';

/** A state and the one fact behind it. `since`: when that state began, in epoch milliseconds; null where it is `never`. */
interface PresenceFact {
  readonly state: PresenceState;
  readonly since: number | null;
  readonly reason: PresenceReason;
  readonly source: PresenceSource;
}

/** A change that was seen when it happened. */
export interface PresenceChange extends PresenceFact {
  readonly state: 'online' | 'offline' | 'unknown';
  readonly since: number;
}

/** Whether a device is there, as far as is known. */
export interface DevicePresence extends PresenceFact {
  /** The last sign of life in epoch milliseconds; null where none is known. A will is none, nor is a connection that goes on. */
  readonly lastSeen: number | null;
  /** As the device named it when it last said that it is online; null where it did not. */
  readonly session: string | null;
  /**
   * A command that is published now has somebody to hear it. Embedded broker: a granted subscription that names the device
   * covers its commands. External broker: presence is not `offline`, and the device does not fetch its commands over HTTP.
   * Of a foreign device, whose topics say nothing, it is only false where it is known to be offline.
   */
  readonly listens: boolean;
}

/** What is kept of a device. `online`: as its last `up/status` said, null where none has; `change`: the last that was seen. Times in epoch milliseconds. */
export interface DeviceRow {
  readonly link: DeviceLink;
  readonly online: boolean | null;
  readonly session: string | null;
  readonly statusAt: number | null;
  readonly lastSeen: number | null;
  readonly polledAt: number | null;
  readonly change: PresenceChange | null;
}

/** What the broker in this process knows of a device; it has run since `since`, and nobody was connected before. */
export interface Connectedness {
  readonly listens: boolean;
  readonly attendance: Attendance | null;
  readonly since: number;
}

/** How long after its last poll a device that fetches its commands over HTTP still counts as being there. */
export const POLL_LASTS_MS = 90_000;
/** Messages of a device come in over several connections and replicas: what is nearer together than this has no order. */
export const BLUR_MS = 3_000;
/**
 * A device that was said to be online is doubted after this silence. Whoever lost such a client would have told by then, where its
 * keepalive is no longer than the longest that our own broker grants: one and a half times 1,200 s.
 */
export const STALE_AFTER_MS = 1_800_000;

const NEVER: PresenceFact = { state: 'never', since: null, reason: 'never_seen', source: 'none' };

/**
 * What is to be said of a device. `row`: null where it is unknown; `heardAt`: what this process heard and has not written
 * down; `connected`: null where the broker is elsewhere and tells nothing.
 */
export function judgePresence(
  row: DeviceRow | null,
  heardAt: number | null,
  connected: Connectedness | null,
  now: number,
): DevicePresence {
  const heard = latest(row?.lastSeen, heardAt);
  const said = row?.online === true ? row.statusAt : null;
  const lastSeen = latest(heard, said, row?.polledAt);
  const session = row?.session ?? null;
  if (connected === null) {
    const fact = asSeen(row, factElsewhere(row, heard, lastSeen, now));
    return { ...fact, lastSeen, session, listens: fact.state !== 'offline' && !fetches(row, heard) };
  }
  const fact = asSeen(row, factHere(row, heard, lastSeen, connected, now));
  const listens = connected.listens || (row?.link === 'foreign' && fact.state !== 'offline');
  return { ...fact, lastSeen, session, listens };
}

/** True where a device that was last said to be offline at `statusAt` has been heard since, and not only by a message that the will overtook. */
export function isBack(statusAt: number | null, heardAt: number | null): boolean {
  return heardAt !== null && heardAt > (statusAt ?? 0) + BLUR_MS;
}

/** Where the change that was seen led to this state, it tells since when; and of one that is not there, also how that came. */
function asSeen(row: DeviceRow | null, fact: PresenceFact): PresenceFact {
  const change = row?.change;
  if (change?.state !== fact.state) return fact;
  return fact.state === 'online' ? { ...fact, since: change.since } : change;
}

function factHere(
  row: DeviceRow | null,
  heard: number | null,
  lastSeen: number | null,
  { attendance, since }: Connectedness,
  now: number,
): PresenceFact {
  if (attendance !== null) return { state: 'online', source: 'broker', ...attendance };
  const polled = factOfPoll(row, now);
  if (polled?.state === 'online') return polled;
  // Who was connected before this process started has lost that connection, whatever it said then.
  if (row?.online === true && (row.statusAt ?? 0) >= since && !hasLeft(row)) return spoken(row, lastSeen, now);
  if (lastSeen === null && (row === null || (row.online === null && row.change === null))) return NEVER;
  if (row?.link === 'foreign' && row.online === null) return foreignFact(row, heard, lastSeen);
  if (polled !== null && polled.since! >= (row?.statusAt ?? 0)) return polled;
  if (row?.online === false) return saidOffline(row);
  if (row?.online === true) return { state: 'offline', since, reason: 'broker_restarted', source: 'broker' };
  return { state: 'offline', since: latest(lastSeen, since), reason: 'not_connected', source: 'broker' };
}

/** It may be connected under any client id, and is not asked to say that it is there. */
function foreignFact({ change }: DeviceRow, heard: number | null, lastSeen: number | null): PresenceFact {
  if (change?.state === 'offline' && !isBack(change.since, heard)) return change;
  return { state: 'unknown', since: lastSeen ?? change?.since ?? null, reason: 'activity', source: 'activity' };
}

function factElsewhere(
  row: DeviceRow | null,
  heard: number | null,
  lastSeen: number | null,
  now: number,
): PresenceFact {
  const polled = factOfPoll(row, now);
  if (row?.online === true && polled?.state !== 'online') return spoken(row, lastSeen, now);
  if (polled?.state === 'online') return polled;
  if (row?.online === false && !isBack(row.statusAt, heard)) return saidOffline(row);
  if (latest(heard, row?.polledAt) === null && !row?.change) return NEVER;
  if (polled !== null && polled.since! > (heard ?? 0)) return { ...polled, state: 'unknown' };
  if (row?.online === null && row.statusAt !== null && row.statusAt >= (heard ?? 0)) {
    return { state: 'unknown', since: row.statusAt, reason: 'status_cleared', source: 'status' };
  }
  return { state: 'unknown', since: heard ?? row?.change?.since ?? null, reason: 'activity', source: 'activity' };
}

/** It has said that it is online. */
function spoken({ statusAt }: DeviceRow, lastSeen: number | null, now: number): PresenceFact {
  const doubtfulFrom = (latest(lastSeen, statusAt) ?? 0) + STALE_AFTER_MS;
  return doubtfulFrom < now
    ? { state: 'stale', since: doubtfulFrom, reason: 'silent', source: 'status' }
    : { state: 'online', since: statusAt, reason: 'said_online', source: 'status' };
}

function saidOffline({ statusAt }: DeviceRow): PresenceFact {
  return { state: 'offline', since: statusAt, reason: 'said_offline', source: 'status' };
}

/** What its polls say: it is there, or was until they stopped; null where it has never polled. */
function factOfPoll(row: DeviceRow | null, now: number): PresenceFact | null {
  if (row === null || row.polledAt === null) return null;
  const { polledAt } = row;
  return polledAt > now - POLL_LASTS_MS
    ? { state: 'online', since: polledAt, reason: 'polled', source: 'activity' }
    : { state: 'offline', since: polledAt + POLL_LASTS_MS, reason: 'silent', source: 'activity' };
}

/** The broker saw it go, and it has not said since that it is online. Clocks, which may go back, have no say. */
function hasLeft({ change }: DeviceRow): boolean {
  return change?.state === 'offline' && change.source === 'broker';
}

/** Its last word, of those that tell the two ways apart, came over HTTP. */
function fetches(row: DeviceRow | null, heard: number | null): boolean {
  if (row === null || row.polledAt === null) return false;
  return row.polledAt > (row.statusAt ?? 0) && row.polledAt > (heard ?? 0) - BLUR_MS;
}

function latest(...times: readonly (number | null | undefined)[]): number | null {
  const known = times.filter((time) => typeof time === 'number');
  return known.length === 0 ? null : Math.max(...known);
}
