import type { CompiledQuery, Kysely } from 'kysely';
import type { Lane, NewEvent, NewReading, NewReject, Verdict } from './log.js';
import type { Schema } from './schema.js';

/** A compiled statement of a write job. */
export type Statement = CompiledQuery;

export interface StatementResult {
  /** Rows of a RETURNING clause, else empty. */
  readonly rows: readonly Record<string, unknown>[];
  /** Rows inserted, updated or deleted. */
  readonly changes: number;
}

export type DatabaseStatus = 'starting' | 'up' | 'down' | 'stopped';

/**
 * The database as the features see it. Reads are ordinary Kysely queries; writes are jobs: lists of compiled statements that
 * are sent whole and are atomic together. Nobody outside `storage/` sees a transaction.
 */
export abstract class Database {
  abstract readonly status: DatabaseStatus;
  /** For look-ups by key that must answer at once. Sees everything committed before the call. Writes through it are refused. */
  abstract readonly point: Kysely<Schema>;
  /** For lists and scans, which may take long and must not hold up point reads. */
  abstract readonly scan: Kysely<Schema>;
  /** Compiles statements for {@link write}; executing through it is refused. */
  abstract readonly sql: Kysely<Schema>;
  /** Runs the statements as one atomic job, resolving after the commit. Rejects with STORAGE_UNAVAILABLE where it did not commit (at once while the status is `down`), or the statement's own error. */
  abstract write(job: readonly Statement[]): Promise<StatementResult[]>;
  /** Appends readings to the log, with their latest values and devices, in the order given. One verdict per reading, after the commit. */
  abstract appendReadings(readings: readonly NewReading[], lane?: Lane): Promise<Verdict[]>;
  /** Appends device events to the log. One verdict per event, after the commit. */
  abstract appendEvents(events: readonly NewEvent[], lane?: Lane): Promise<Verdict[]>;
  /** Keeps rejects, in the order given; they are `stored` or `failed`, after the commit. */
  abstract appendRejects(rejects: readonly NewReject[], lane?: Lane): Promise<Verdict[]>;
}
