import { Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Kysely, sql } from 'kysely';
import { Availability } from '../availability.js';
import {
  Database,
  type DatabaseCapabilities,
  type DatabaseStatus,
  type DeviceCreation,
  type NewsTopic,
  type Statement,
  type StatementResult,
  type WriteOptions,
} from '../database.js';
import { ExecuteDialect, refuseAll } from '../execute.dialect.js';
import { COMMIT_LIMITS, type CommitLimits } from '../group-commit.js';
import type { Lane, NewEvent, NewReading, NewReject, Verdict } from '../log.js';
import { NewsBoard } from '../news-board.js';
import type { Schema } from '../schema.js';
import { unavailable } from '../storage.errors.js';
import { capabilitiesOf } from './capabilities.js';
import { migrateAt } from './migrate.js';
import { POSTGRES_DIALECT } from './postgres.dialect.js';
import { PostgresReader } from './postgres.reader.js';
import { PostgresWriter } from './postgres.writer.js';
import { ReplicaSession } from './replica.session.js';
import { startupProblem } from './startup-problem.js';

export interface PostgresOptions extends Partial<DeviceCreation> {
  /** One replica at a time may use the database: the broker is embedded, so what one replica takes in the others would not see. */
  readonly exclusive: boolean;
}

const READ_CONNECTIONS = 4;
const POINT_TIMEOUT_MS = 10_000;
const SCAN_TIMEOUT_MS = 30_000;
const NEWS_TIMEOUT_MS = 5_000;
/** How long a close waits for what was accepted. */
const DRAIN_MS = 5_000;

/** The database on a PostgreSQL server, which several replicas may share. */
export class PostgresDatabase extends Database implements OnModuleInit, OnApplicationShutdown {
  readonly createsDevices: boolean;
  readonly sql = new Kysely<Schema>({ dialect: new ExecuteDialect(POSTGRES_DIALECT, refuseAll) });
  readonly now = sql<number>`(extract(epoch from clock_timestamp()) * 1000)::bigint`;
  private readonly logger = new Logger('Storage');
  private readonly news = new NewsBoard();
  private readonly availability = new Availability();
  private readonly pointReader: PostgresReader;
  private readonly scanReader: PostgresReader;
  private readonly writer: PostgresWriter;
  private readonly replica: ReplicaSession;
  private facts: DatabaseCapabilities = {
    kind: 'postgresql',
    version: '',
    shared: true,
    commitSurvives: 'process-crash',
  };
  /** Why nothing may be written although the database works. */
  private refusal: string | null = null;
  private closing: Promise<void> | null = null;

  constructor(
    private readonly url: string,
    options: PostgresOptions,
    limits: CommitLimits = COMMIT_LIMITS,
  ) {
    super();
    this.pointReader = new PostgresReader(url, 'point', POINT_TIMEOUT_MS, READ_CONNECTIONS);
    this.scanReader = new PostgresReader(url, 'scan', SCAN_TIMEOUT_MS, READ_CONNECTIONS);
    this.createsDevices = options.createsDevices ?? true;
    this.writer = new PostgresWriter(url, limits, this.availability, this);
    const hearRight = this.availability.watch(() => {});
    const onRight = (problem: string | null): void => {
      this.refusal = problem;
      hearRight(problem);
    };
    const session = {
      purpose: 'news',
      readOnly: false,
      statementTimeoutMs: NEWS_TIMEOUT_MS,
      lockTimeoutMs: NEWS_TIMEOUT_MS,
    };
    this.replica = new ReplicaSession(url, session, { exclusive: options.exclusive, onRight }, this.news);
  }

  get status(): DatabaseStatus {
    return this.availability.status;
  }

  get point(): Kysely<Schema> {
    return this.pointReader.kysely;
  }

  get scan(): Kysely<Schema> {
    return this.scanReader.kysely;
  }

  get capabilities(): DatabaseCapabilities {
    return this.facts;
  }

  /** Takes the right to use the database and migrates it. Throws StartupError where that cannot be. */
  async onModuleInit(): Promise<void> {
    try {
      await this.replica.start();
      for (const note of await migrateAt(this.url)) this.logger.log(note);
      this.facts = await capabilitiesOf(this.point);
    } catch (error) {
      await this.close();
      throw startupProblem(this.url, error);
    }
    this.writer.start();
    this.availability.open();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.close();
  }

  /** Refuses what comes from now on, finishes all that was accepted before, and disconnects. Refuses what the database does not commit in 5 s. May be called twice. */
  close(): Promise<void> {
    this.closing ??= this.drainAndClose();
    return this.closing;
  }

  onNews(topic: NewsTopic, listener: (detail: string | null) => void): () => void {
    return this.news.onNews(topic, listener);
  }

  async write(job: readonly Statement[], { news, evenWhileDown }: WriteOptions = {}): Promise<StatementResult[]> {
    if (job.length === 0) return [];
    if (this.status === 'down' && !evenWhileDown) throw unavailable('the database does not commit at present');
    this.refuseWhereClosed();
    return this.writer.write(job, news);
  }

  async appendReadings(readings: readonly NewReading[], lane: Lane = 'prompt'): Promise<Verdict[]> {
    this.refuseWhereClosed();
    return this.writer.appendReadings(readings, lane);
  }

  async appendEvents(events: readonly NewEvent[], lane: Lane = 'prompt'): Promise<Verdict[]> {
    this.refuseWhereClosed();
    return this.writer.appendEvents(events, lane);
  }

  async appendRejects(rejects: readonly NewReject[], lane: Lane = 'prompt'): Promise<Verdict[]> {
    this.refuseWhereClosed();
    return this.writer.appendRejects(rejects, lane);
  }

  private refuseWhereClosed(): void {
    if (this.status === 'starting' || this.closing) throw unavailable('the database is not open');
    if (this.refusal !== null) throw unavailable(this.refusal);
  }

  private async drainAndClose(): Promise<void> {
    this.availability.close();
    if (!(await this.writer.close(this.status === 'down' ? 0 : DRAIN_MS))) {
      this.logger.error('the database did not commit all that was waiting before the stop; the rest is refused');
    }
    await Promise.all([this.pointReader.close(), this.scanReader.close()]);
    this.replica.stop();
    this.availability.stop();
  }
}
