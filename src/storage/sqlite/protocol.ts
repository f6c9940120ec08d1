import type { StatementResult } from '../database.js';
import type { Batch } from '../group-commit.js';

/** An error on its way between threads. `unavailable`: the database is the cause, not the statement. */
export interface WireError {
  readonly unavailable: boolean;
  readonly code: string;
  readonly message: string;
}

export interface WireStatement {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

export interface JobEntry {
  readonly kind: 'job';
  readonly statements: readonly WireStatement[];
}

/** Rows, packed (append.codec.ts): one text and one array of numbers whatever their count. */
interface Packed {
  readonly text: string;
  readonly numbers: Float64Array;
}

export interface LogEntry extends Packed {
  readonly kind: 'readings' | 'events';
}

/** `payloads` holds what was kept of each payload once, however many items of it were rejected. */
export interface RejectEntry extends Packed {
  readonly kind: 'rejects';
  readonly payloads: Uint8Array;
}

export type AppendEntry = LogEntry | RejectEntry;

export type Entry = JobEntry | AppendEntry;

/** One transaction. */
export type WriteBatch = Batch<Entry>;

/** `verdicts` holds one code of `VERDICTS` per row, null where all were stored; `failures` the details of the failed ones in order. */
export interface AppendResult {
  readonly kind: 'append';
  readonly verdicts: Uint8Array | null;
  readonly failures: readonly string[];
}

export type EntryResult =
  | { readonly kind: 'job'; readonly results: StatementResult[] }
  | { readonly kind: 'error'; readonly error: WireError }
  | AppendResult;

export type WriteReply =
  { readonly ok: true; readonly results: readonly EntryResult[] } | { readonly ok: false; readonly error: WireError };

/** Values row by row, without the column names repeated. */
export interface Rows {
  readonly columns: readonly string[];
  readonly values: readonly unknown[];
}

export type QueryReply = { readonly ok: true; readonly rows: Rows } | { readonly ok: false; readonly error: WireError };

/** The code of a result that was not sent because it is too large. */
export const TOO_LARGE = 'RESULT_TOO_LARGE';

/** What every worker is started with. */
export interface WorkerSettings {
  readonly dataDir: string;
  /** How long a batch waits for a lock that another program holds, in milliseconds. */
  readonly lockWaitMs: number;
  /** See DeviceCreation. */
  readonly createsDevices: boolean;
  /** Shared memory: 1 from when a wait for such a lock is to end at once. */
  readonly stop: Int32Array;
}

/** Main thread to worker; without `body` it asks the worker to close its files and end. */
export interface Request<T> {
  readonly id: number;
  readonly body?: T;
}

/** Worker to main thread: first `ready` or `refused`, then one `reply` per request. */
export type WorkerMessage<T> =
  | { readonly type: 'ready'; readonly notes: readonly string[] }
  | { readonly type: 'refused'; readonly message: string; readonly hint: string }
  | { readonly type: 'reply'; readonly id: number; readonly body: T };
