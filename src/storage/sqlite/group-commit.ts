import { unavailable } from '../storage.errors.js';
import { type Batch, type BatchReply, type Entry, type EntryResult, monotonicMs } from './protocol.js';

/** Bounds of the group commit. Sizes in characters or bytes, a row is one row of an append or one statement of a job. */
export interface CommitLimits {
  /** An entry that is not committed after this many milliseconds is rejected (it may still commit later). */
  readonly deadlineMs: number;
  readonly mostPendingRows: number;
  readonly mostPendingSize: number;
  readonly mostBatchRows: number;
  readonly mostBatchSize: number;
}

/** 15 s is below 1.5 x the smallest accepted keepalive, after which a waiting client would be closed (hazards, aedes 4). */
export const COMMIT_LIMITS: CommitLimits = {
  deadlineMs: 15_000,
  mostPendingRows: 100_000,
  mostPendingSize: 64 * 1024 * 1024,
  mostBatchRows: 4_000,
  mostBatchSize: 4 * 1024 * 1024,
};

const BATCHES_IN_FLIGHT = 2;

interface Pending {
  readonly entry: Entry;
  readonly rows: number;
  readonly size: number;
  readonly expiresAt: number;
  readonly resolve: (result: EntryResult) => void;
  readonly reject: (error: Error) => void;
  settled: boolean;
}

/**
 * Gathers entries into batches, in order. A batch leaves as soon as fewer than two are on their way, so batches grow by
 * themselves with load and a lone entry waits for nothing. What is pending is bounded; beyond that entries are refused at once.
 */
export class GroupCommit {
  private readonly queue: Pending[] = [];
  private readonly inFlight = new Set<readonly Pending[]>();
  private pendingRows = 0;
  private pendingSize = 0;
  private flushIsDue = false;
  private sweep: NodeJS.Timeout | undefined;
  private onIdle: (() => void)[] = [];

  /** `onOutcome` hears of every batch: null where it was committed, else why not. */
  constructor(
    private readonly limits: CommitLimits,
    private readonly send: (batch: Batch) => Promise<BatchReply>,
    private readonly onOutcome: (problem: string | null) => void,
  ) {}

  get idle(): boolean {
    return this.queue.length === 0 && this.inFlight.size === 0;
  }

  /** Resolves after the commit with the entry's own result. Rejects with STORAGE_UNAVAILABLE. */
  submit(entry: Entry, rows: number, size: number): Promise<EntryResult> {
    const { mostPendingRows, mostPendingSize, deadlineMs } = this.limits;
    const isFull = this.pendingRows + rows > mostPendingRows || this.pendingSize + size > mostPendingSize;
    if (isFull && !this.idle) return Promise.reject(unavailable('too many writes are waiting for the database'));
    this.pendingRows += rows;
    this.pendingSize += size;
    return new Promise((resolve, reject) => {
      const expiresAt = monotonicMs() + deadlineMs;
      this.queue.push({ entry, rows, size, expiresAt, resolve, reject, settled: false });
      this.sweep ??= setInterval(() => this.expire(), Math.max(10, Math.min(250, deadlineMs / 10)));
      if (this.flushIsDue) return;
      this.flushIsDue = true;
      // What is submitted in the same turn leaves in the same batch.
      queueMicrotask(() => {
        this.flushIsDue = false;
        this.flush();
      });
    });
  }

  /** Resolves once nothing is waiting or on its way. */
  drain(): Promise<void> {
    return this.idle ? Promise.resolve() : new Promise((resolve) => this.onIdle.push(resolve));
  }

  private flush(): void {
    while (this.inFlight.size < BATCHES_IN_FLIGHT && this.queue.length > 0) this.launch(this.take());
    if (!this.idle) return;
    clearInterval(this.sweep);
    this.sweep = undefined;
    for (const resolve of this.onIdle.splice(0)) resolve();
  }

  private take(): Pending[] {
    const { mostBatchRows, mostBatchSize } = this.limits;
    let rows = 0;
    let size = 0;
    let count = 0;
    for (const pending of this.queue) {
      rows += pending.rows;
      size += pending.size;
      if (count > 0 && (rows > mostBatchRows || size > mostBatchSize)) break;
      count++;
    }
    return this.queue.splice(0, count);
  }

  private launch(batch: readonly Pending[]): void {
    this.inFlight.add(batch);
    this.send({ expiresAt: batch.at(-1)!.expiresAt, entries: batch.map(({ entry }) => entry) }).then(
      (reply) => this.land(batch, reply),
      (error: Error) => this.land(batch, { ok: false, error: { unavailable: true, code: '', message: error.message } }),
    );
  }

  private land(batch: readonly Pending[], reply: BatchReply): void {
    this.inFlight.delete(batch);
    if (reply.ok) {
      for (const [i, pending] of batch.entries()) this.settle(pending, () => pending.resolve(reply.results[i]!));
    } else {
      const error = unavailable(`the database did not commit: ${reply.error.message}`);
      for (const pending of batch) this.settle(pending, () => pending.reject(error));
    }
    this.onOutcome(reply.ok ? null : reply.error.message);
    this.flush();
  }

  private settle(pending: Pending, how: () => void): void {
    if (pending.settled) return;
    pending.settled = true;
    this.pendingRows -= pending.rows;
    this.pendingSize -= pending.size;
    how();
  }

  /** Entries wait in order, so the late ones are the first ones. */
  private expire(): void {
    const now = monotonicMs();
    const isLate = (pending: Pending): boolean => pending.expiresAt <= now;
    const inQueue = this.queue.findIndex((pending) => !isLate(pending));
    const late = [
      ...[...this.inFlight].flat().filter((pending) => !pending.settled && isLate(pending)),
      ...this.queue.splice(0, inQueue < 0 ? this.queue.length : inQueue),
    ];
    if (late.length === 0) return;
    const message = `the database did not commit within ${this.limits.deadlineMs} ms`;
    const error = unavailable(message);
    for (const pending of late) this.settle(pending, () => pending.reject(error));
    this.onOutcome(message);
    this.flush();
  }
}
