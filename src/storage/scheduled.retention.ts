import { Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { sql } from 'kysely';
import { RetentionConfig } from '../config/retention.config.js';
import { Database } from './database.js';
import { Retention, type RetentionReport } from './retention.js';

/** When retention runs by itself, in milliseconds after the start and after each run. */
interface RetentionSchedule {
  readonly firstRunMs: number;
  readonly intervalMs: number;
}

const SCHEDULE: RetentionSchedule = { firstRunMs: 60_000, intervalMs: 3_600_000 };
const IDS_KEPT_MS = 7 * 86_400_000;
const KEYS_KEPT_MS = 86_400_000;
/** Rows removed in one job: some milliseconds of the writer. */
const ROWS_PER_JOB = 500;

/**
 * What retention does on every database. Expired rows of the log are looked up by the scan reader, so that who writes only removes.
 * What is left of `readings` beyond that is up to {@link removeReadings}.
 */
export abstract class ScheduledRetention extends Retention implements OnApplicationBootstrap, OnModuleDestroy {
  protected readonly logger = new Logger('Retention');
  private timer: NodeJS.Timeout | undefined;
  protected stopped = false;

  constructor(
    protected readonly database: Database,
    private readonly config: RetentionConfig,
    private readonly schedule = SCHEDULE,
  ) {
    super();
  }

  onApplicationBootstrap(): void {
    this.runIn(this.schedule.firstRunMs);
  }

  onModuleDestroy(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  async run(now = Date.now()): Promise<RetentionReport> {
    const { readings, events, messages, rejects, commands, audit } = this.config;
    const removed = {
      readings: readings === 0 ? 0 : await this.removeReadings(now - readings),
      events: events === 0 ? 0 : await this.removeFromLog('events', now - events),
      ids:
        (await this.removeIds('reading_ids', now - IDS_KEPT_MS)) +
        (await this.removeIds('event_ids', now - IDS_KEPT_MS)) +
        (await this.removeKeys(now - KEYS_KEPT_MS)),
      messages: messages === 0 ? 0 : await this.removeReceived('messages', now - messages),
      rejects: rejects === 0 ? 0 : await this.removeReceived('rejects', now - rejects),
      commands: commands === 0 ? 0 : await this.removeCommands(now - commands),
      audit: audit === 0 ? 0 : await this.removeAudit(now - audit),
      sessions: await this.removeSessions(now),
    };
    return removed;
  }

  /** Removes readings whose `ts` is before this time; resolves with how many. */
  protected abstract removeReadings(before: number): Promise<number>;

  private runIn(ms: number): void {
    this.timer = setTimeout(() => {
      this.run()
        .then((removed) => this.logger.debug(`removed ${JSON.stringify(removed)}`))
        .catch((error: unknown) => this.logger.warn(`not finished, goes on in an hour: ${String(error)}`))
        .finally(() => this.stopped || this.runIn(this.schedule.intervalMs));
    }, ms);
    this.timer.unref();
  }

  /** Removes rows of a table of the log (or a partition of it). Walks the devices by the (device_id, ts, key) index: one look per device that has nothing to remove. */
  protected async removeFromLog(table: string, before: number): Promise<number> {
    let removed = 0;
    let device = '';
    for (;;) {
      const { rows } = await sql<{ device_id: string; position: number }>`
        with recursive device (id) as (
          select min(device_id) from ${sql.table(table)} where device_id >= ${device}
          union all
          select (select min(device_id) from ${sql.table(table)} where device_id > device.id)
          from device where device.id is not null
        )
        select log.device_id, log.position from device cross join ${sql.table(table)} log
        where log.device_id = device.id and log.ts < ${before} limit ${ROWS_PER_JOB}`.execute(this.database.scan);
      if (rows.length === 0 || this.stopped) return removed;
      device = rows.at(-1)!.device_id;
      const positions = rows.map(({ position }) => position);
      await this.database.write([
        sql`delete from ${sql.table(table)} where position in (${sql.join(positions)})`.compile(this.database.sql),
      ]);
      removed += rows.length;
    }
  }

  private removeIds(table: 'reading_ids' | 'event_ids', before: number): Promise<number> {
    return this.repeat(
      sql`delete from ${sql.table(table)} where (device_id, id) in
        (select device_id, id from ${sql.table(table)} where received_at < ${before} limit ${ROWS_PER_JOB})`,
    );
  }

  private removeKeys(before: number): Promise<number> {
    return this.repeat(
      sql`delete from idempotency_keys where (caller, key) in
        (select caller, key from idempotency_keys where created_at <= ${before} limit ${ROWS_PER_JOB})`,
    );
  }

  private removeReceived(table: 'messages' | 'rejects', before: number): Promise<number> {
    return this.repeat(
      sql`delete from ${sql.table(table)} where seq in
        (select seq from ${sql.table(table)} where received_at < ${before} limit ${ROWS_PER_JOB})`,
    );
  }

  private removeCommands(before: number): Promise<number> {
    return this.repeat(
      sql`delete from commands where seq in
        (select seq from commands where final = 1 and created_at < ${before} limit ${ROWS_PER_JOB})`,
    );
  }

  private removeAudit(before: number): Promise<number> {
    return this.repeat(
      sql`delete from audit where seq in (select seq from audit where at < ${before} limit ${ROWS_PER_JOB})`,
    );
  }

  private removeSessions(before: number): Promise<number> {
    return this.repeat(
      sql`delete from sessions where hash in
        (select hash from sessions where expires_at <= ${before} limit ${ROWS_PER_JOB})`,
    );
  }

  private async repeat(statement: ReturnType<typeof sql>): Promise<number> {
    let removed = 0;
    for (;;) {
      const [result] = await this.database.write([statement.compile(this.database.sql)]);
      removed += result!.changes;
      if (result!.changes < ROWS_PER_JOB || this.stopped) return removed;
    }
  }
}
