import { Injectable } from '@nestjs/common';
import { formatTime } from '../common/clock.js';
import type { Attendance, AttendanceChange } from '../mqtt/attendance.js';
import { Database, type Statement } from '../storage/database.js';
import type { NewEvent } from '../storage/log.js';
import { PresenceStatements } from './presence.statements.js';

/** A change that is not in the log yet. */
export interface UntoldChange {
  readonly seq: number;
  readonly event: NewEvent;
}

/** What was seen of devices coming and going, and which changes the log does not have yet. */
@Injectable()
export class PresenceRepository {
  private readonly statements: PresenceStatements;

  constructor(private readonly database: Database) {
    this.statements = new PresenceStatements(database);
  }

  /**
   * To be called before anything is seen: `brokerSince` is when the broker in this process started, in epoch milliseconds;
   * null where it is elsewhere.
   */
  async begin(brokerSince: number | null): Promise<void> {
    const { statements } = this;
    await this.database.write([brokerSince === null ? statements.forgotten() : statements.restarted(brokerSince)]);
  }

  /**
   * Keeps what the broker in this process saw, at most one change for each device and 500 in all, sorted by their ids; unknown devices are left
   * out. What fails can be repeated. Resolves with true where there is a change to be told.
   */
  async keepAttendance(changes: readonly AttendanceChange[]): Promise<boolean> {
    const known = await this.knownOf(changes.map(({ deviceId }) => deviceId));
    const ofKnown = changes.filter(({ deviceId }) => known.has(deviceId));
    const arrived = ofKnown.filter(({ left }) => left === null);
    const left = ofKnown.filter((change) => change.left !== null);
    return this.writeEach([
      ...(arrived.length > 0 ? [this.statements.arrived(arrived)] : []),
      ...(left.length > 0 ? [this.statements.hadArrived(left), this.statements.left(left)] : []),
    ]);
  }

  /**
   * Keeps that devices were heard, at most 500, sorted by their ids, where that tells something of their presence. `attendanceOf`: what the
   * broker in this process says of a device; null where it is elsewhere. Resolves with true where there is a change to be told.
   */
  async keepHeard(
    heard: readonly (readonly [deviceId: string, at: number])[],
    attendanceOf: ((deviceId: string) => Attendance | null) | null,
  ): Promise<boolean> {
    const ids = heard.map(([deviceId]) => deviceId);
    const concerned = new Set((await this.mayChange(ids, attendanceOf !== null)).map(({ id }) => id));
    // Nearly always: who writes is busy enough.
    if (concerned.size === 0) return false;
    const news = heard.filter(([deviceId]) => concerned.has(deviceId));
    const { statements } = this;
    return this.writeEach(
      attendanceOf === null ? [statements.heardElsewhere(news)] : statements.heardHere(news, attendanceOf),
    );
  }

  /** The oldest changes that the log does not have yet. The key of their events is their own, so that none is told twice. */
  async untold(limit: number): Promise<readonly UntoldChange[]> {
    const rows = await this.database.point
      .selectFrom('presence_changes')
      .selectAll()
      .orderBy('seq')
      .limit(limit)
      .execute();
    return rows.map(({ seq, device_id: deviceId, link, state, reason, source, session, since }) => ({
      seq,
      event: {
        kind: 'presence',
        deviceId,
        link,
        type: state,
        ts: since,
        receivedAt: since,
        identity: 'unique',
        key: `presence:${seq}`,
        body: JSON.stringify({ state, reason, source, session, since: formatTime(since) }),
      },
    }));
  }

  /** The log has these. */
  async told(changes: readonly UntoldChange[]): Promise<void> {
    const seqs = changes.map(({ seq }) => seq);
    await this.database.write([this.database.sql.deleteFrom('presence_changes').where('seq', 'in', seqs).compile()]);
  }

  /** Appends the changes to the log; resolves with why one could not be, where that is so. */
  async append(changes: readonly UntoldChange[]): Promise<string | null> {
    const verdicts = await this.database.appendEvents(
      changes.map(({ event }) => event),
      'bulk',
    );
    for (const verdict of verdicts) if (verdict.outcome === 'failed') return verdict.detail;
    return null;
  }

  /** Of these, the devices whose presence a sign of life may change. */
  private mayChange(deviceIds: readonly string[], isBrokerHere: boolean): Promise<readonly { readonly id: string }[]> {
    return this.database.point
      .selectFrom('devices')
      .select('id')
      .where('id', 'in', deviceIds)
      .where((eb) => {
        const isGone = eb('presence', '=', 'offline');
        return eb.or([
          eb('presence', 'is', null),
          isBrokerHere ? eb.and([isGone, eb('link', '=', 'foreign')]) : isGone,
        ]);
      })
      .execute();
  }

  private async knownOf(deviceIds: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.database.point.selectFrom('devices').select('id').where('id', 'in', deviceIds).execute();
    return new Set(rows.map(({ id }) => id));
  }

  /** Each as a job of its own: rows that one has locked must not be held while the next waits for others. */
  private async writeEach(statements: readonly Statement[]): Promise<boolean> {
    let changes = 0;
    for (const statement of statements) changes += (await this.database.write([statement]))[0]!.changes;
    return changes > 0;
  }
}
