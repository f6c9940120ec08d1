import { type RawBuilder, sql } from 'kysely';
import type { Attendance, AttendanceChange } from '../mqtt/attendance.js';
import type { Database, Statement } from '../storage/database.js';
import { BLUR_MS, POLL_LASTS_MS, type PresenceChange, type PresenceReason } from './presence.js';

/** Something that was seen of a device at `at`, epoch milliseconds. */
interface Seen {
  readonly deviceId: string;
  readonly at: number;
  readonly reason: PresenceReason;
}

type Target = Pick<PresenceChange, 'state' | 'source'>;

/** It does not poll; where it did, that is over. */
const NOT_POLLING = sql`coalesce(d.polled_at, 0) <= seen.at - ${sql.lit(POLL_LASTS_MS)}`;
const NOT_ONLINE = sql`(d.presence is null or d.presence <> 'online' or (d.presence_reason = 'polled' and ${NOT_POLLING}))`;
const NOT_OFFLINE = sql`(d.presence is null or d.presence <> 'offline')`;
const NEVER_SEEN = sql`d.presence is null`;

const ONLINE_AT_BROKER: Target = { state: 'online', source: 'broker' };
const OFFLINE_AT_BROKER: Target = { state: 'offline', source: 'broker' };
const HEARD: Target = { state: 'unknown', source: 'activity' };

/**
 * The statements that write down that a device was seen to come or go: each changes nothing where that is no change, and nothing of devices
 * that are unknown. A trigger hands every change on to the log. None holds more than 500 devices; those of several are to be sent as jobs of their own,
 * sorted by id.
 */
export class PresenceStatements {
  constructor(private readonly database: Database) {}

  /** The device said that it is online; not where the broker saw it go after that. */
  saidOnline(deviceId: string, at: number): Statement {
    const isNews = sql`(d.presence_source is null or d.presence_source <> 'broker' or d.presence_since <= seen.at)`;
    const to: Target = { state: 'online', source: 'status' };
    return this.change([{ deviceId, at, reason: 'said_online' }], to, sql`${NOT_ONLINE} and ${isNews}`);
  }

  /** The device, or its will, said that it is offline. `applies`: a condition on the row `d` as it was before. */
  saidOffline(deviceId: string, at: number, applies: RawBuilder<unknown>): Statement {
    const when = sql`${NOT_OFFLINE} and ${NOT_POLLING} and ${applies}`;
    return this.change([{ deviceId, at, reason: 'said_offline' }], { state: 'offline', source: 'status' }, when);
  }

  /** What the device said of itself is withdrawn. `state`: what is left to be said. */
  cleared(deviceId: string, at: number, state: 'offline' | 'unknown'): Statement {
    const when = sql`d.presence_source = 'status' and d.presence_reason <> 'status_cleared' and ${NOT_POLLING}`;
    return this.change([{ deviceId, at, reason: 'status_cleared' }], { state, source: 'status' }, when);
  }

  polled(deviceId: string, at: number): Statement {
    return this.change([{ deviceId, at, reason: 'polled' }], { state: 'online', source: 'activity' }, NOT_ONLINE);
  }

  /** Devices have come, as the broker in this process saw. */
  arrived(changes: readonly AttendanceChange[]): Statement {
    return this.change(changes.map(arrivalOf), ONLINE_AT_BROKER, NOT_ONLINE);
  }

  /** Devices that had not been known when they came have come and gone. */
  hadArrived(changes: readonly AttendanceChange[]): Statement {
    return this.change(changes.map(arrivalOf), ONLINE_AT_BROKER, NEVER_SEEN);
  }

  /** Devices have gone, as the broker in this process saw. */
  left(changes: readonly AttendanceChange[]): Statement {
    const seen = changes.map(({ deviceId, at, left }) => ({ deviceId, at, reason: left! }));
    return this.change(seen, OFFLINE_AT_BROKER, sql`${NOT_OFFLINE} and ${NOT_POLLING}`);
  }

  /** Devices were heard whose broker is elsewhere: those that are new, or were said to be offline before. */
  heardElsewhere(heard: readonly (readonly [deviceId: string, at: number])[]): Statement {
    const isBack = sql`d.presence = 'offline' and seen.at > coalesce(d.status_at, 0) + ${sql.lit(BLUR_MS)}`;
    return this.change(heard.map(heardAt('activity')), HEARD, sql`(${NEVER_SEEN} or (${isBack}))`);
  }

  /** The same where the broker is in this process: it knows who is there, but not under which client id a foreign device may be. */
  heardHere(
    heard: readonly (readonly [deviceId: string, at: number])[],
    attendanceOf: (deviceId: string) => Attendance | null,
  ): Statement[] {
    const there = heard.flatMap(([deviceId]) => {
      const attendance = attendanceOf(deviceId);
      return attendance === null ? [] : [{ deviceId, at: attendance.since, reason: attendance.reason }];
    });
    const others = heard.filter(([deviceId]) => attendanceOf(deviceId) === null);
    if (others.length === 0) return [this.change(there, ONLINE_AT_BROKER, NEVER_SEEN)];
    const isBack = sql`d.presence = 'offline' and seen.at > d.presence_since + ${sql.lit(BLUR_MS)}`;
    const foreign = sql`d.link = 'foreign' and d.online is null and (${NEVER_SEEN} or (${isBack}))`;
    return [
      ...(there.length > 0 ? [this.change(there, ONLINE_AT_BROKER, NEVER_SEEN)] : []),
      this.change(others.map(heardAt('activity')), HEARD, foreign),
      this.change(others.map(heardAt('not_connected')), OFFLINE_AT_BROKER, NEVER_SEEN),
    ];
  }

  /** The broker in this process runs since `at`: all connections that were there before are gone. */
  restarted(at: number): Statement {
    return sql`
      update devices set presence = 'offline', presence_since = ${at}, presence_reason = 'broker_restarted', presence_source = 'broker'
      where presence = 'online' and coalesce(polled_at, 0) <= ${at - POLL_LASTS_MS}`.compile(this.database.sql);
  }

  /** The broker is elsewhere: what one in this process saw earlier says nothing any more. */
  forgotten(): Statement {
    return sql`
      update devices set presence = null, presence_since = null, presence_reason = null, presence_source = null
      where presence_source = 'broker'`.compile(this.database.sql);
  }

  private change(seen: readonly Seen[], { state, source }: Target, when: RawBuilder<unknown>): Statement {
    const rows = seen.map(
      ({ deviceId, at, reason }) => sql`(cast(${deviceId} as text), cast(${at} as bigint), cast(${reason} as text))`,
    );
    // PostgreSQL locks rows in the order of whatever plan it chose, unless it is told.
    const lock = this.database.capabilities.kind === 'postgresql' ? sql` order by d.id for no key update of d` : sql``;
    return sql`
      with seen (id, at, reason) as (values ${sql.join(rows)}),
      changed as materialized (
        select d.id, seen.at, seen.reason from devices d join seen on seen.id = d.id where ${when}${lock}
      )
      update devices set presence = ${state}, presence_since = changed.at, presence_reason = changed.reason,
        presence_source = ${source}
      from changed where devices.id = changed.id`.compile(this.database.sql);
  }
}

function arrivalOf({ deviceId, arrival }: AttendanceChange): Seen {
  return { deviceId, at: arrival.since, reason: arrival.reason };
}

function heardAt(reason: PresenceReason): (heard: readonly [deviceId: string, at: number]) => Seen {
  return ([deviceId, at]) => ({ deviceId, at, reason });
}
