import { CompiledQuery } from 'kysely';
import type { Availability } from '../availability.js';
import type { DeviceCreation, News, Statement, StatementResult } from '../database.js';
import { type CommitLimits, GroupCommit } from '../group-commit.js';
import type { Lane, NewEvent, NewReading, NewReject, Verdict } from '../log.js';
import { sizeOfStatement } from '../statement-size.js';
import { StatementError } from '../storage.errors.js';
import { AppendQueue } from './append-queue.js';
import { Appender, type AppendPlan, type MarkedBatch } from './appender.js';
import { type Job, JobRunner } from './job-runner.js';
import { LogPlan } from './log-plan.js';
import { EVENTS, READINGS } from './log-shape.js';
import { OwnConnection } from './own-connection.js';
import { Partitions } from './partitions.js';
import { REJECT_PLAN } from './reject-plan.js';
import type { SessionOptions } from './session.js';

const JOB_CONNECTIONS = 6;
/** Most rows of one entry: in the bulk lane less, because a commit takes whole entries. */
const ENTRY_ROWS: Readonly<Record<Lane, number>> = { prompt: 1_000, bulk: 500 };
/** Marks are needed for as long as a commit may be retried, which is seconds. */
const MARKS_KEPT = '10 minutes';
const SWEEP_MS = 60_000;
/** So often a commit of nothing shows whether the database is there, where there is no other: readiness must not wait for traffic. */
const IDLE_PROBE_MS = 5_000;
const SWEEP = CompiledQuery.raw(`delete from commit_marks where at < clock_timestamp() - interval '${MARKS_KEPT}'`);

type JobOutcome = { readonly results: StatementResult[] } | { readonly error: StatementError };

/** All that writes: a connection for each kind of append, and several for jobs. What is waiting is bounded as on SQLite. */
export class PostgresWriter {
  private readonly stopping = new AbortController();
  private readonly connections: OwnConnection[] = [];
  private readonly runner: JobRunner;
  private readonly readings: AppendQueue<NewReading>;
  private readonly events: AppendQueue<NewEvent>;
  private readonly rejects: AppendQueue<NewReject>;
  private readonly jobs: GroupCommit<Job, JobOutcome>;
  private readonly timers: NodeJS.Timeout[] = [];

  constructor(
    private readonly url: string,
    private readonly limits: CommitLimits,
    private readonly availability: Availability,
    creation: DeviceCreation,
  ) {
    const partitions = new Partitions();
    this.readings = this.queue(
      'readings',
      new LogPlan(READINGS, partitions, creation),
      ({ values, metrics }) => values.length + (metrics?.length ?? 0),
    );
    this.events = this.queue('events', new LogPlan(EVENTS, partitions, creation), ({ body }) => body.length);
    this.rejects = this.queue('rejects', REJECT_PLAN, ({ detail, payload }) => detail.length + payload.length);
    this.runner = new JobRunner(url, this.session('jobs'), JOB_CONNECTIONS);
    this.jobs = new GroupCommit<Job, JobOutcome>(
      // One job a batch: each is a transaction of its own.
      { ...limits, mostBatchRows: 0, mostBatchesInFlight: JOB_CONNECTIONS },
      async ({ entries, expiresAt }) => ({ ok: true, results: [await this.run(entries[0]!, expiresAt)] }),
      availability.watch(() => this.probeJobs()),
      () => true,
    );
  }

  /** Begins to sweep old marks, and to look whether the database is still there. */
  start(): void {
    const sweep = (): void => {
      this.jobs.submit({ statements: [SWEEP], news: undefined }, 1, 0).catch(() => undefined);
    };
    this.timers.push(
      setInterval(sweep, SWEEP_MS),
      setInterval(() => this.probeJobs(), IDLE_PROBE_MS),
    );
  }

  /** See {@link Database.write}. */
  async write(statements: readonly Statement[], news: News | undefined): Promise<StatementResult[]> {
    const size = statements.reduce((sum, statement) => sum + sizeOfStatement(statement), 0);
    const outcome = await this.jobs.submit({ statements, news }, statements.length, size);
    if ('error' in outcome) throw outcome.error;
    return outcome.results;
  }

  appendReadings(rows: readonly NewReading[], lane: Lane): Promise<Verdict[]> {
    return this.readings.append(rows, lane, ENTRY_ROWS[lane]);
  }

  appendEvents(rows: readonly NewEvent[], lane: Lane): Promise<Verdict[]> {
    return this.events.append(rows, lane, ENTRY_ROWS[lane]);
  }

  appendRejects(rows: readonly NewReject[], lane: Lane): Promise<Verdict[]> {
    return this.rejects.append(rows, lane, ENTRY_ROWS[lane]);
  }

  /** Waits until all that was accepted is committed, at most so long (ms), and disconnects. False where the rest had to be refused. */
  async close(waitMs: number): Promise<boolean> {
    for (const timer of this.timers) clearInterval(timer);
    const queues = [this.readings.queue, this.events.queue, this.rejects.queue, this.jobs];
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), waitMs)));
    const drained = await Promise.race([Promise.all(queues.map((queue) => queue.drain())).then(() => true), late]);
    clearTimeout(timer);
    this.stopping.abort();
    if (!drained) for (const queue of queues) queue.abandon();
    await Promise.all([this.runner.close(), ...this.connections.map((connection) => connection.close())]);
    return drained;
  }

  private queue<Row, Batch extends MarkedBatch<Row>>(
    purpose: string,
    plan: AppendPlan<Row, Batch>,
    sizeOf: (row: Row) => number,
  ): AppendQueue<Row> {
    const connection = new OwnConnection(this.url, this.session(purpose));
    this.connections.push(connection);
    const appender = new Appender(connection, plan);
    const queue: AppendQueue<Row> = new AppendQueue(
      this.limits,
      sizeOf,
      (rows, until) => appender.append(rows, { until, stop: this.stopping.signal }),
      this.availability.watch(() => queue.probe()),
    );
    return queue;
  }

  private session(purpose: string): SessionOptions {
    // Shorter than the deadline, so that what blocks is given up before its callers give up.
    const timeout = Math.ceil(this.limits.deadlineMs * 0.6);
    return { purpose, readOnly: false, statementTimeoutMs: timeout, lockTimeoutMs: timeout, pipeline: true };
  }

  /** A fault of a statement is an answer: the database itself works. */
  private async run(job: Job, until: number): Promise<JobOutcome> {
    try {
      return { results: await this.runner.run(job, { until, stop: this.stopping.signal }) };
    } catch (error) {
      if (error instanceof StatementError) return { error };
      throw error;
    }
  }

  private probeJobs(): void {
    if (this.jobs.idle) this.jobs.submit({ statements: [], news: undefined }, 1, 0).catch(() => undefined);
  }
}
