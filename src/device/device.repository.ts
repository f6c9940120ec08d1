import { Injectable } from '@nestjs/common';
import { sql } from 'kysely';
import { Database, type Statement } from '../storage/database.js';
import type { DeviceLink } from '../storage/log.js';
import type { DeviceRow } from './presence.js';
import type { DeviceStatus } from './status.js';

/** A status to be kept; null: it was cleared. `replayed`: the broker says again what was said before. `receivedAt` in epoch milliseconds. */
export interface StatusReport {
  readonly deviceId: string;
  readonly status: DeviceStatus | null;
  readonly replayed: boolean;
  readonly receivedAt: number;
}

/** Devices that share a statement, far from what a statement may hold. */
const DEVICES_PER_STATEMENT = 500;

/** The devices that have shown themselves or been sent a command. */
@Injectable()
export class DeviceRepository {
  constructor(private readonly database: Database) {}

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

  async find(deviceId: string): Promise<DeviceRow | null> {
    const row = await this.database.point
      .selectFrom('devices')
      .select(['link', 'online', 'status_at', 'last_seen', 'polled_at'])
      .where('id', '=', deviceId)
      .executeTakeFirst();
    if (!row) return null;
    const { link, online, status_at: statusAt, last_seen: lastSeen, polled_at: polledAt } = row;
    return { link, online: online === null ? null : online === 1, statusAt, lastSeen, polledAt };
  }

  /** A statement that creates the device where it is unknown, and leaves a known one as it is. */
  insert(deviceId: string, link: DeviceLink, at: number): Statement {
    return this.database.sql
      .insertInto('devices')
      .values({ id: deviceId, link, created_at: at })
      .onConflict((conflict) => conflict.column('id').doNothing())
      .compile();
  }

  /**
   * Keeps what devices said of themselves, one after the other, as one job; they are created where unknown, and native from
   * then on. Resolves with those that are online and were not, or were in another session.
   */
  async keepStatuses(reports: readonly StatusReport[]): Promise<ReadonlySet<string>> {
    // In the order in which appends lock them too, so that none waits for another in a circle.
    const sorted = reports.toSorted((a, b) => order(a.deviceId, b.deviceId));
    const steps = sorted.flatMap((report) => this.stepsOf(report));
    const results = await this.database.write(steps.map(({ statement }) => statement));
    return new Set(steps.filter(({ wakes }, i) => wakes && results[i]!.changes > 0).map(({ deviceId }) => deviceId));
  }

  /** The device is native from now on; it is created where unknown. */
  async keepNative(deviceId: string, at: number): Promise<void> {
    await this.database.write([this.showNative(deviceId, at)]);
  }

  /** The device has asked for its commands over HTTP; it is created where unknown, and native from then on. */
  async keepPoll(deviceId: string, at: number): Promise<void> {
    const polled = this.database.sql.updateTable('devices').set({ polled_at: at }).where('id', '=', deviceId).compile();
    await this.database.write([this.showNative(deviceId, at), polled, this.heard([[deviceId, at]])]);
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

  async remove(deviceId: string): Promise<void> {
    await this.database.write([this.database.sql.deleteFrom('devices').where('id', '=', deviceId).compile()]);
  }

  private stepsOf({ deviceId, status, replayed, receivedAt }: StatusReport) {
    const step = (statement: Statement, wakes = false) => ({ deviceId, statement, wakes });
    const ofDevice = this.database.sql.updateTable('devices').where('id', '=', deviceId);
    const at = { status_at: receivedAt };
    // Anybody may clear the retained status of a device that is gone, so that is nothing the device shows itself by.
    if (status === null) return [step(ofDevice.set({ ...at, online: null, session: null }).compile())];

    const shown = step(this.showNative(deviceId, receivedAt));
    const { session } = status;
    if (status.online) {
      const change = ofDevice
        .set({ ...at, online: 1, session })
        .where((eb) => eb.or([eb('online', 'is distinct from', 1), eb('session', 'is distinct from', session)]));
      const again = ofDevice.set(at).where('online', '=', 1);
      return [shown, step(change.compile(), true), ...(replayed ? [] : [step(again.compile())])];
    }
    let gone = ofDevice.set({ ...at, online: 0 });
    // The will of a session that is over says nothing about the one that has begun since.
    if (session !== null) gone = gone.where((eb) => eb.or([eb('session', 'is', null), eb('session', '=', session)]));
    if (replayed) gone = gone.where('online', 'is distinct from', 0);
    return [shown, step(gone.compile())];
  }

  private showNative(deviceId: string, at: number): Statement {
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

function order(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
