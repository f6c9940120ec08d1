import type { CompiledQuery, Kysely, RawBuilder } from 'kysely';
import type { Lane, NewEvent, NewReading, NewReject, Verdict } from './log.js';
import type { Schema } from './schema.js';
import { unavailable } from './storage.errors.js';

/** A compiled statement of a write job. */
export type Statement = CompiledQuery;

export interface StatementResult {
  /** Rows of a RETURNING clause, else empty. */
  readonly rows: readonly Record<string, unknown>[];
  /** Rows inserted, updated or deleted. */
  readonly changes: number;
}

/** Told to every replica after the commit of the job that carries it, such as that a seat is free. `detail`: at most 200 characters. */
export interface News {
  readonly topic: NewsTopic;
  readonly detail: string;
}

export type NewsTopic = 'leases' | 'commands' | 'devices' | 'keys';

export interface WriteOptions {
  /** Goes out with the commit. */
  readonly news?: News;
  /** Tried while the status is `down` too, because a slow database still commits: for the few, small writes that others live by. */
  readonly evenWhileDown?: boolean;
}

/** What the present database promises (GET /v1/capabilities). */
export interface DatabaseCapabilities {
  readonly kind: 'sqlite' | 'postgresql';
  /** Version of the library or server, such as `15.18`. */
  readonly version: string;
  /** Several replicas of Signalbox may use it at once. */
  readonly shared: boolean;
  /** What a commit survives: `power-loss`, or only a crash of Signalbox (`process-crash`) where the server is set so. */
  readonly commitSurvives: 'power-loss' | 'process-crash';
}

/** What is to be done with rows that name an unknown device. */
export interface DeviceCreation {
  /** True: what is written of an unknown device creates it. False: only the registry does, and other writes leave it unknown. */
  readonly createsDevices: boolean;
}

export type DatabaseStatus = 'starting' | 'up' | 'down' | 'stopped';

/**
 * The database as the features see it. Reads are ordinary Kysely queries; writes are jobs: lists of compiled statements that
 * are sent whole and are atomic together. Nobody outside `storage/` sees a transaction.
 */
export abstract class Database implements DeviceCreation {
  abstract readonly createsDevices: boolean;
  abstract readonly status: DatabaseStatus;
  /** For look-ups by key that must answer at once. Sees everything committed before the call. Writes through it are refused. */
  abstract readonly point: Kysely<Schema>;
  /** For lists and scans, which may take long and must not hold up point reads. */
  abstract readonly scan: Kysely<Schema>;
  /** Compiles statements for {@link write}; executing through it is refused. */
  abstract readonly sql: Kysely<Schema>;
  abstract readonly capabilities: DatabaseCapabilities;
  /** The database's own clock in epoch milliseconds, for statements that several replicas must judge alike. */
  abstract readonly now: RawBuilder<number>;
  /** Throws STORAGE_UNAVAILABLE while the status is `down`: for writes that begin with a read, which may take long to fail. */
  refuseWhileDown(): void {
    if (this.status === 'down') throw unavailable('the database does not commit at present');
  }

  /** Runs the statements as one atomic job, resolving after the commit. Calls that overlap may commit in any order. Rejects with STORAGE_UNAVAILABLE where it did not commit (at once while the status is `down`, unless the options say otherwise), or the statement's own error. */
  abstract write(job: readonly Statement[], options?: WriteOptions): Promise<StatementResult[]>;
  /** Appends readings to the log, with their latest values and, where {@link createsDevices}, their devices, in the order given. One verdict per reading, after the commit. */
  abstract appendReadings(readings: readonly NewReading[], lane?: Lane): Promise<Verdict[]>;
  /** Appends device events to the log. One verdict per event, after the commit. */
  abstract appendEvents(events: readonly NewEvent[], lane?: Lane): Promise<Verdict[]>;
  /** Keeps rejects, in the order given; they are `stored` or `failed`, after the commit. */
  abstract appendRejects(rejects: readonly NewReject[], lane?: Lane): Promise<Verdict[]>;
  /**
   * Calls `listener` with the detail of every piece of news on `topic`, whichever replica committed it, and with null where
   * some may have been missed. Returns what ends it. News only saves time: who listens also looks by itself now and then.
   */
  abstract onNews(topic: NewsTopic, listener: (detail: string | null) => void): () => void;
}
