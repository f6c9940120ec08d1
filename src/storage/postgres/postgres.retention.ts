import { setTimeout as wait } from 'node:timers/promises';
import type pg from 'pg';
import type { RetentionConfig } from '../../config/retention.config.js';
import type { Database } from '../database.js';
import type { RetentionReport } from '../retention.js';
import { ScheduledRetention } from '../scheduled.retention.js';
import { LOCK_SPACE, LOCKS } from './log-statement.js';
import { sqlState, toStorageError } from './postgres-fault.js';
import { connect, destroy } from './session.js';
import { startOfWeek, weekOfPartition } from './week.js';

/** To drop a partition all that use `readings` must pause. They do not wait for longer than this: then it is tried again later. */
const DROP_LOCK_MS = 300;
const DROP_TRIES = 20;
const DROP_PAUSE_MS = 500;
const STATEMENT_TIMEOUT_MS = 60_000;
/** A partition of up to so many rows is counted, a larger one's rows are the server's estimate. */
const MOST_COUNTED = 100_000;
const LOCK_NOT_AVAILABLE = '55P03';
const NOTHING: RetentionReport = {
  readings: 0,
  events: 0,
  ids: 0,
  messages: 0,
  rejects: 0,
  commands: 0,
  audit: 0,
  sessions: 0,
};

/**
 * Retention on PostgreSQL, by one replica at a time: another's run does nothing meanwhile. Weeks that are over as a whole are
 * dropped, where their rows are many the report has the server's estimate of them; the rest is removed in small pieces.
 */
export class PostgresRetention extends ScheduledRetention {
  private client: pg.Client | null = null;

  constructor(
    database: Database,
    config: RetentionConfig,
    private readonly url: string,
  ) {
    super(database, config);
  }

  override async run(now = Date.now()): Promise<RetentionReport> {
    const client = await this.connect();
    try {
      const { rows } = await client.query<{ held: boolean }>(
        `select pg_try_advisory_lock(${LOCK_SPACE}, ${LOCKS.retention}) as held`,
      );
      if (!rows[0]!.held) return NOTHING;
      this.client = client;
      return await super.run(now);
    } catch (error) {
      throw toStorageError(error);
    } finally {
      this.client = null;
      destroy(client);
    }
  }

  protected override async removeReadings(before: number): Promise<number> {
    let removed = 0;
    for (const { name, week } of await this.partitions()) {
      if (this.stopped) break;
      if (startOfWeek(week + 1) <= before) removed += await this.drop(name);
      else if (startOfWeek(week) < before) removed += await this.removeFromLog(name, before);
    }
    return removed;
  }

  private connect(): Promise<pg.Client> {
    return connect(this.url, {
      purpose: 'retention',
      readOnly: false,
      statementTimeoutMs: STATEMENT_TIMEOUT_MS,
      lockTimeoutMs: DROP_LOCK_MS,
    }).catch((error: unknown) => {
      throw toStorageError(error);
    });
  }

  /** The partitions that hold readings up to now, oldest first. */
  private async partitions() {
    const { rows } = await this.client!.query<{ name: string }>(
      `select relname as name from pg_inherits join pg_class on pg_class.oid = inhrelid
       where inhparent = 'readings'::regclass`,
    );
    return rows
      .map(({ name }) => ({ name, week: weekOfPartition(name) }))
      .filter((partition): partition is { name: string; week: number } => partition.week !== null)
      .toSorted((a, b) => a.week - b.week);
  }

  /** Drops a partition where the lock on it is free soon enough; else it stays until the next run. */
  private async drop(name: string): Promise<number> {
    const rows = await this.countOf(name);
    for (let tries = 0; tries < DROP_TRIES && !this.stopped; tries++) {
      try {
        await this.client!.query(
          `begin; select pg_advisory_xact_lock(${LOCK_SPACE}, ${LOCKS.partitions}); drop table ${name}; commit`,
        );
        return rows;
      } catch (error) {
        await this.client!.query('rollback');
        if (sqlState(error) !== LOCK_NOT_AVAILABLE) throw error;
        await wait(DROP_PAUSE_MS);
      }
    }
    this.logger.warn(`${name} is over, but is always in use; it is dropped by a later run`);
    return 0;
  }

  private async countOf(name: string): Promise<number> {
    const { rows } = await this.client!.query<{ rows: number }>(
      `select case when reltuples > ${MOST_COUNTED} then reltuples::bigint else (select count(*) from ${name}) end as rows
       from pg_class where oid = '${name}'::regclass`,
    );
    return rows[0]!.rows;
  }
}
