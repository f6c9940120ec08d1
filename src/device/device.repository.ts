import { Injectable } from '@nestjs/common';
import { type Selectable, sql } from 'kysely';
import { Database, type Statement } from '../storage/database.js';
import type { DeviceLink } from '../storage/log.js';
import type { Schema } from '../storage/schema.js';
import type { DeviceRow, PresenceChange } from './presence.js';
import { PresenceStatements } from './presence.statements.js';
import type { DeviceStatus } from './status.js';

/** A status to be kept; null: it was cleared. `replayed`: the broker says again what was said before; `isThere`: the broker in this process knows that it is there, null where the broker is elsewhere. `receivedAt` in epoch milliseconds. */
export interface StatusReport {
  readonly deviceId: string;
  readonly status: DeviceStatus | null;
  readonly replayed: boolean;
  readonly isThere: boolean | null;
  readonly receivedAt: number;
}

/** Devices that share a statement, far from what a statement may hold. */
const DEVICES_PER_STATEMENT = 500;

/** What came of statuses that were kept. */
export interface KeptStatuses {
  /** Devices that are online and were not, or were in another session. */
  readonly awake: ReadonlySet<string>;
  /** The presence of one of them has changed. */
  readonly changed: boolean;
}

interface Step {
  readonly deviceId: string;
  readonly statement: Statement;
  readonly tells: 'awake' | 'changed' | null;
}

const ROW = [
  'id',
  'link',
  'online',
  'session',
  'status_at',
  'last_seen',
  'polled_at',
  'presence',
  'presence_since',
  'presence_reason',
  'presence_source',
] as const;

/** The devices that have shown themselves or been sent a command. */
@Injectable()
export class DeviceRepository {
  private readonly presence: PresenceStatements;

  constructor(private readonly database: Database) {
    this.presence = new PresenceStatements(database);
  }

  /** False while nothing can be written. */
  get isUp(): boolean {
    return this.database.status === 'up';
  }

  /** How the device reaches us, or null where it is unknown. */
  async linkOf(deviceId: string): Promise<DeviceLink | null> {
    const row = await this.database.point
      .selectFrom('devices')
      .select('link')
      .where('id', '=', deviceId)
      .executeTakeFirst();
    return row?.link ?? null;
  }

  /** Those of the devices that are known, by id; one query. */
  async findAll(deviceIds: readonly string[]): Promise<ReadonlyMap<string, DeviceRow>> {
    const rows = await this.database.point.selectFrom('devices').select(ROW).where('id', 'in', deviceIds).execute();
    return new Map(rows.map((row) => [row.id, deviceRow(row)]));
  }

  /** A statement that creates the device where it is unknown and such writes may do so, and leaves a known one as it is. */
  insert(deviceId: string, link: DeviceLink, at: number): Statement {
    if (!this.database.createsDevices) return this.untouched(deviceId);
    return this.database.sql
      .insertInto('devices')
      .values({ id: deviceId, link, created_at: at })
      .onConflict((conflict) => conflict.column('id').doNothing())
      .compile();
  }

  /**
   * Keeps what devices said of themselves, one after the other, as one job; they are created where unknown and such writes may
   * do so, and native from then on.
   */
  async keepStatuses(reports: readonly StatusReport[]): Promise<KeptStatuses> {
    // In the order in which appends lock them too, so that none waits for another in a circle.
    const sorted = reports.toSorted((a, b) => order(a.deviceId, b.deviceId));
    const steps = sorted.flatMap((report) => this.stepsOf(report));
    const results = await this.database.write(steps.map(({ statement }) => statement));
    const told = steps.filter((_, i) => results[i]!.changes > 0);
    return {
      awake: new Set(told.filter(({ tells }) => tells === 'awake').map(({ deviceId }) => deviceId)),
      changed: told.some(({ tells }) => tells === 'changed'),
    };
  }

  /** The device is native from now on; it is created where unknown. */
  async keepNative(deviceId: string, at: number): Promise<void> {
    await this.database.write([this.showNative(deviceId, at)]);
  }

  /** The device has asked for its commands over HTTP; it is created where unknown, and native from then on. Resolves with true where its presence has changed. */
  async keepPoll(deviceId: string, at: number): Promise<boolean> {
    const polled = this.database.sql.updateTable('devices').set({ polled_at: at }).where('id', '=', deviceId).compile();
    const presence = this.presence.polled(deviceId, at);
    const job = [this.showNative(deviceId, at), presence, polled, this.heard([[deviceId, at]])];
    return (await this.database.write(job))[1]!.changes > 0;
  }

  /**
   * Keeps when devices were last heard, as one statement; unknown ones are left out, and no time goes back. At most
   * {@link DEVICES_PER_STATEMENT}, sorted by {@link inOrder}.
   */
  async keepHeard(heard: readonly (readonly [deviceId: string, at: number])[]): Promise<void> {
    await this.database.write([this.heard(heard)]);
  }

  /** Of these, the devices whose last status says offline, and what is known of when. */
  async offlineOf(
    deviceIds: readonly string[],
  ): Promise<{ readonly id: string; readonly status_at: number | null; readonly last_seen: number | null }[]> {
    return this.database.point
      .selectFrom('devices')
      .select(['id', 'status_at', 'last_seen'])
      .where('id', 'in', deviceIds)
      .where('online', '=', 0)
      .execute();
  }

  private stepsOf({ deviceId, status, replayed, isThere, receivedAt }: StatusReport): readonly Step[] {
    const step = (statement: Statement, tells: Step['tells'] = null) => ({ deviceId, statement, tells });
    const change = (statement: Statement) => step(statement, 'changed');
    const ofDevice = this.database.sql.updateTable('devices').where('id', '=', deviceId);
    const at = { status_at: receivedAt };
    // Anybody may clear the retained status of a device that is gone, so that is nothing the device shows itself by.
    if (status === null) {
      const cleared = this.presence.cleared(deviceId, receivedAt, isThere === false ? 'offline' : 'unknown');
      const forget = step(ofDevice.set({ ...at, online: null, session: null }).compile());
      return isThere === true ? [forget] : [forget, change(cleared)];
    }

    const shown = step(this.showNative(deviceId, receivedAt));
    const { session } = status;
    if (status.online) {
      const begins = ofDevice
        .set({ ...at, online: 1, session })
        .where((eb) => eb.or([eb('online', 'is distinct from', 1), eb('session', 'is distinct from', session)]));
      const again = ofDevice.set(at).where('online', '=', 1);
      return [
        shown,
        step(begins.compile(), 'awake'),
        ...(replayed ? [] : [step(again.compile())]),
        change(this.presence.saidOnline(deviceId, receivedAt)),
      ];
    }
    let gone = ofDevice.set({ ...at, online: 0 });
    // The will of a session that is over says nothing about the one that has begun since.
    if (session !== null) gone = gone.where((eb) => eb.or([eb('session', 'is', null), eb('session', '=', session)]));
    if (replayed) gone = gone.where('online', 'is distinct from', 0);
    // The broker in this process knows better, also where one connection is about to take over from another.
    if (isThere === true) return [shown, step(gone.compile())];
    const ofSession = session === null ? sql`true` : sql`(d.session is null or d.session = ${session})`;
    const isNews = replayed ? sql`d.online is distinct from 0` : sql`true`;
    // First, while the row still says what it is judged by.
    return [
      shown,
      change(this.presence.saidOffline(deviceId, receivedAt, sql`${ofSession} and ${isNews}`)),
      step(gone.compile()),
    ];
  }

  private untouched(deviceId: string): Statement {
    const same = this.database.sql.updateTable('devices').set((eb) => ({ link: eb.ref('link') }));
    return same.where('id', '=', deviceId).compile();
  }

  private showNative(deviceId: string, at: number): Statement {
    if (!this.database.createsDevices) {
      const raised = this.database.sql.updateTable('devices').set({ link: 'native' });
      return raised.where('id', '=', deviceId).where('link', '<>', 'native').compile();
    }
    return this.database.sql
      .insertInto('devices')
      .values({ id: deviceId, link: 'native', created_at: at })
      .onConflict((conflict) =>
        conflict.column('id').doUpdateSet({ link: 'native' }).where('devices.link', '<>', 'native'),
      )
      .compile();
  }

  private heard(heard: readonly (readonly [deviceId: string, at: number])[]): Statement {
    const rows = heard.map(([deviceId, at]) => sql`(cast(${deviceId} as text), cast(${at} as bigint))`);
    // PostgreSQL locks rows in the order of whatever plan it chose, unless it is told.
    const lock = this.database.capabilities.kind === 'postgresql' ? sql` order by d.id for no key update of d` : sql``;
    return sql`
      with heard (id, at) as (values ${sql.join(rows)}),
      behind as materialized (
        select d.id, heard.at from devices d join heard on heard.id = d.id
        where d.last_seen is null or d.last_seen < heard.at${lock}
      )
      update devices set last_seen = behind.at from behind where devices.id = behind.id`.compile(this.database.sql);
  }
}

/** What was heard, in parts for {@link DeviceRepository.keepHeard}. */
export function inOrder(heard: ReadonlyMap<string, number>): (readonly (readonly [string, number])[])[] {
  const sorted = [...heard].toSorted(([a], [b]) => order(a, b));
  const parts = Math.ceil(sorted.length / DEVICES_PER_STATEMENT);
  return Array.from({ length: parts }, (_, i) =>
    sorted.slice(i * DEVICES_PER_STATEMENT, (i + 1) * DEVICES_PER_STATEMENT),
  );
}

type StoredRow = Pick<Selectable<Schema['devices']>, (typeof ROW)[number]>;

function deviceRow({ link, online, session, presence, ...row }: StoredRow): DeviceRow {
  const change =
    presence === null
      ? null
      : {
          state: presence,
          since: row.presence_since,
          reason: row.presence_reason,
          source: row.presence_source,
        };
  return {
    link,
    online: online === null ? null : online === 1,
    session,
    statusAt: row.status_at,
    lastSeen: row.last_seen,
    polledAt: row.polled_at,
    // Written from changes only.
    change: change as PresenceChange | null,
  };
}

function order(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
