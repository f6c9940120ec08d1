import { Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Kysely, sql } from 'kysely';
import type { StorageConfig } from '../../config/storage.config.js';
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
import { COMMIT_LIMITS, type CommitLimits, GroupCommit } from '../group-commit.js';
import type { Lane, NewEvent, NewReading, NewReject, Verdict } from '../log.js';
import { NewsBoard } from '../news-board.js';
import type { Schema } from '../schema.js';
import { splitRows } from '../split-rows.js';
import { sizeOfStatement } from '../statement-size.js';
import { StatementError, unavailable } from '../storage.errors.js';
import { packEvents, packReadings, packRejects, unpackVerdicts } from './append.codec.js';
import { prepareDataDirectory } from './data-directory.js';
import type { AppendEntry, WriteBatch, WriteReply, Entry, EntryResult, JobEntry } from './protocol.js';
import { SQLITE_DIALECT } from './sqlite.dialect.js';
import { SqliteReader } from './sqlite.reader.js';
import { WorkerLink } from './worker-link.js';
import { workerUrl } from './worker-url.js';

/** How long a close waits for what was accepted; ending the threads may take 2 s more. */
const DRAIN_MS = 5_000;
const WRITER_HEAP_MB = 128;
/** Most rows of one entry: in the bulk lane less, because a commit takes whole entries. */
const ENTRY_ROWS: Readonly<Record<Lane, number>> = { prompt: 1_000, bulk: 500 };
/** A reject costs the writer about as much as so many readings: it has four indexes, and triggers that count it. */
const REJECT_WEIGHT = 4;
const PROBE: JobEntry = {
  kind: 'job',
  statements: [{ sql: "update sequences set next = next where name = 'log'", parameters: [] }],
};

/** The database as one SQLite file in the data directory, written and read in worker threads. */
export class SqliteDatabase extends Database implements OnModuleInit, OnApplicationShutdown {
  readonly createsDevices: boolean;
  readonly sql = new Kysely<Schema>({ dialect: new ExecuteDialect(SQLITE_DIALECT, refuseAll) });
  readonly now = sql<number>`cast(unixepoch('subsec') * 1000 as integer)`;
  private readonly news = new NewsBoard();
  private readonly logger = new Logger('Storage');
  private readonly writer: WorkerLink<WriteBatch, WriteReply>;
  private readonly pointReader: SqliteReader;
  private readonly scanReader: SqliteReader;
  private readonly commits: GroupCommit<Entry, EntryResult>;
  private readonly availability = new Availability(() => this.news.tellOfGap());
  private version = '';
  private closing: Promise<void> | null = null;
  private readonly stop = new Int32Array(new SharedArrayBuffer(4));

  constructor(
    private readonly config: StorageConfig,
    { createsDevices }: DeviceCreation = { createsDevices: true },
    limits: CommitLimits = COMMIT_LIMITS,
  ) {
    super();
    this.createsDevices = createsDevices;
    // Shorter than the deadline, so that the writer is free again when its callers give up.
    const lockWaitMs = Math.floor(limits.deadlineMs * 0.6);
    const settings = { dataDir: config.dataDir, lockWaitMs, createsDevices, stop: this.stop };
    this.writer = new WorkerLink({
      name: 'writer',
      url: workerUrl('writer'),
      settings,
      heapMb: WRITER_HEAP_MB,
    });
    this.pointReader = new SqliteReader('point reader', settings);
    this.scanReader = new SqliteReader('scan reader', settings);
    this.commits = new GroupCommit(
      limits,
      (batch) => this.writer.ask(batch),
      this.availability.watch(() => this.probeCommit()),
      ({ kind }) => kind === 'job',
    );
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

  /** Takes the data directory, migrates and opens. Throws StartupError where that cannot be. */
  async onModuleInit(): Promise<void> {
    prepareDataDirectory(this.config.dataDir);
    await this.writer.start();
    await Promise.all([this.pointReader.start(), this.scanReader.start()]);
    const { rows } = await sql<{ version: string }>`select sqlite_version() as version`.execute(this.point);
    this.version = rows[0]!.version;
    this.availability.open();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.close();
  }

  /** Refuses what comes from now on, finishes all that was accepted before, and closes the file. Refuses what the database does not commit in 5 s, and ends within 8 s. May be called twice. */
  close(): Promise<void> {
    this.closing ??= this.drainAndClose();
    return this.closing;
  }

  get capabilities(): DatabaseCapabilities {
    return { kind: 'sqlite', version: this.version, shared: false, commitSurvives: 'power-loss' };
  }

  onNews(topic: NewsTopic, listener: (detail: string | null) => void): () => void {
    return this.news.onNews(topic, listener);
  }

  async write(job: readonly Statement[], { news, evenWhileDown }: WriteOptions = {}): Promise<StatementResult[]> {
    if (job.length === 0) return [];
    if (this.status === 'down' && !evenWhileDown) throw unavailable('the database does not commit at present');
    const size = job.reduce((sum, statement) => sum + sizeOfStatement(statement), 0);
    const statements = job.map(({ sql: text, parameters }) => ({ sql: text, parameters: parameters.map(compact) }));
    const result = await this.submit({ kind: 'job', statements }, statements.length, size, 'prompt');
    if (result.kind === 'job') {
      if (news) this.news.tell(news);
      return result.results;
    }
    if (result.kind === 'error') throw new StatementError(result.error.code, result.error.message);
    throw new Error('a job was answered like an append');
  }

  appendReadings(readings: readonly NewReading[], lane: Lane = 'prompt'): Promise<Verdict[]> {
    const sizeOfRow = ({ values, metrics }: NewReading): number => values.length + (metrics?.length ?? 0);
    return this.append(splitRows(readings, ENTRY_ROWS[lane], sizeOfRow), packReadings, lane);
  }

  appendEvents(events: readonly NewEvent[], lane: Lane = 'prompt'): Promise<Verdict[]> {
    return this.append(
      splitRows(events, ENTRY_ROWS[lane], ({ body }) => body.length),
      packEvents,
      lane,
    );
  }

  appendRejects(rejects: readonly NewReject[], lane: Lane = 'prompt'): Promise<Verdict[]> {
    const sizeOfRow = ({ detail, payload }: NewReject): number => detail.length + payload.length;
    return this.append(splitRows(rejects, ENTRY_ROWS[lane] / REJECT_WEIGHT, sizeOfRow), packRejects, lane);
  }

  private async append<Row>(
    parts: readonly (readonly Row[])[],
    pack: (rows: readonly Row[]) => AppendEntry,
    lane: Lane,
  ): Promise<Verdict[]> {
    const verdicts = await Promise.all(
      parts.map(async (rows) => {
        const entry = pack(rows);
        const weight = entry.kind === 'rejects' ? rows.length * REJECT_WEIGHT : rows.length;
        const result = await this.submit(entry, weight, sizeOfEntry(entry), lane);
        if (result.kind !== 'append') throw new Error('an append was answered like a job');
        return unpackVerdicts(result, rows.length);
      }),
    );
    return verdicts.length === 1 ? verdicts[0]! : verdicts.flat();
  }

  private submit(entry: Entry, rows: number, size: number, lane: Lane): Promise<EntryResult> {
    if (this.status === 'starting' || this.closing) return Promise.reject(unavailable('the database is not open'));
    return this.commits.submit(entry, rows, size, lane);
  }

  /** A commit of nothing. */
  private probeCommit(): void {
    if (this.commits.idle) this.commits.submit(PROBE, 1, 0).catch(() => undefined);
  }

  private async drain(): Promise<void> {
    const wait = this.status === 'down' ? 0 : DRAIN_MS;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), wait)));
    const drained = await Promise.race([this.commits.drain().then(() => true), late]);
    clearTimeout(timer);
    if (drained) return;
    this.logger.error('the database did not commit all that was waiting before the stop; the rest is refused');
    this.commits.abandon();
    Atomics.store(this.stop, 0, 1);
    Atomics.notify(this.stop, 0);
  }

  private async drainAndClose(): Promise<void> {
    this.availability.close();
    await this.drain();
    await Promise.all([this.pointReader.stop(), this.scanReader.stop()]);
    await this.writer.stop();
    this.availability.stop();
  }
}

function sizeOfEntry(entry: AppendEntry): number {
  const payloads = entry.kind === 'rejects' ? entry.payloads.length : 0;
  return entry.text.length + entry.numbers.byteLength + payloads;
}

/** A view on a part of a buffer (a payload inside its network chunk) would take that whole buffer along to the worker. */
function compact(value: unknown): unknown {
  if (!ArrayBuffer.isView(value)) return value;
  const { buffer, byteOffset, byteLength } = value;
  return byteLength < buffer.byteLength ? new Uint8Array(buffer, byteOffset, byteLength).slice() : value;
}
