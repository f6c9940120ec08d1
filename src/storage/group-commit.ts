import type { Lane } from './log.js';
import { monotonicMs } from './monotonic.js';
import { unavailable } from './storage.errors.js';

/** What leaves together. `expiresAt` (monotonic ms): from then on nobody waits for it any more. */
export interface Batch<Entry> {
  readonly expiresAt: number;
  readonly entries: readonly Entry[];
}

/** One result per entry of a batch that was committed, or why it was not. */
export type BatchReply<Result> =
  | { readonly ok: true; readonly results: readonly Result[] }
  | { readonly ok: false; readonly error: { readonly message: string } };

/** Bounds of the group commit. Sizes in characters or bytes, a row is one row of an append or one statement of a job. */
export interface CommitLimits {
  /** An entry that is not committed after this many milliseconds is rejected (it may still commit later). */
  readonly deadlineMs: number;
  /** While the oldest batch has been on its way for longer than this many milliseconds the database counts as down. */
  readonly downAfterMs: number;
  /** Bounds on the jobs that wait; one beyond them is refused. Appends are bounded by those who make them. */
  readonly mostPendingRows: number;
  readonly mostPendingSize: number;
  readonly mostBatchRows: number;
  readonly mostBatchSize: number;
  /** What a batch takes of the bulk lane besides: neighbours wait for so much of it. */
  readonly mostBulkRows: number;
  readonly mostBulkSize: number;
  readonly mostBatchesInFlight: number;
}

/** 15 s is below 1.5 x the smallest accepted keepalive, after which a waiting client would be closed (hazards, aedes 4). */
export const COMMIT_LIMITS: CommitLimits = {
  deadlineMs: 15_000,
  downAfterMs: 2_000,
  mostPendingRows: 100_000,
  mostPendingSize: 64 * 1024 * 1024,
  mostBatchRows: 4_000,
  mostBatchSize: 4 * 1024 * 1024,
  mostBulkRows: 1_000,
  mostBulkSize: 512 * 1024,
  mostBatchesInFlight: 2,
};

interface Pending<Entry, Result> {
  readonly entry: Entry;
  readonly isBounded: boolean;
  readonly rows: number;
  readonly size: number;
  readonly expiresAt: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: Error) => void;
  settled: boolean;
}

interface Sent<Entry, Result> {
  readonly pending: readonly Pending<Entry, Result>[];
  readonly at: number;
}

/**
 * Gathers entries into batches: the prompt ones first, in order, then a bounded part of the bulk. A batch leaves as soon as fewer
 * than two (or as many as the limits say) are on their way, so batches grow by themselves with load and a lone entry waits for nothing.
 */
export class GroupCommit<Entry, Result> {
  private readonly queues: Readonly<Record<Lane, Pending<Entry, Result>[]>> = { prompt: [], bulk: [] };
  private readonly inFlight = new Set<Sent<Entry, Result>>();
  private jobRows = 0;
  private jobSize = 0;
  private flushIsDue = false;
  private sweep: NodeJS.Timeout | undefined;
  private onIdle: (() => void)[] = [];

  /**
   * `onOutcome` hears of every batch: null where it was committed, else why not; and of one that is on its way for too long.
   * `isBounded` picks the entries that the bounds on waiting apply to.
   */
  constructor(
    private readonly limits: CommitLimits,
    private readonly send: (batch: Batch<Entry>) => Promise<BatchReply<Result>>,
    private readonly onOutcome: (problem: string | null) => void,
    private readonly isBounded: (entry: Entry) => boolean,
  ) {}

  get idle(): boolean {
    return this.queues.prompt.length === 0 && this.queues.bulk.length === 0 && this.inFlight.size === 0;
  }

  /** Resolves after the commit with the entry's own result. Rejects with STORAGE_UNAVAILABLE. */
  submit(entry: Entry, rows: number, size: number, lane: Lane = 'prompt'): Promise<Result> {
    const { mostPendingRows, mostPendingSize, deadlineMs } = this.limits;
    const isBounded = this.isBounded(entry);
    if (isBounded) {
      const isFull = this.jobRows + rows > mostPendingRows || this.jobSize + size > mostPendingSize;
      if (isFull && this.jobRows > 0)
        return Promise.reject(unavailable('too many writes are waiting for the database'));
      this.jobRows += rows;
      this.jobSize += size;
    }
    return new Promise((resolve, reject) => {
      const expiresAt = monotonicMs() + deadlineMs;
      this.queues[lane].push({ entry, isBounded, rows, size, expiresAt, resolve, reject, settled: false });
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

  /** Rejects all that has not been committed yet; what is on its way may still commit. */
  abandon(): void {
    const error = unavailable('the database was closed before it committed');
    for (const pending of this.all()) this.settle(pending, () => pending.reject(error));
    for (const queue of Object.values(this.queues)) queue.length = 0;
    clearInterval(this.sweep);
  }

  private flush(): void {
    const { prompt, bulk } = this.queues;
    while (this.inFlight.size < this.limits.mostBatchesInFlight && prompt.length + bulk.length > 0)
      this.launch(this.take());
    if (!this.idle) return;
    clearInterval(this.sweep);
    this.sweep = undefined;
    for (const resolve of this.onIdle.splice(0)) resolve();
  }

  private take(): Pending<Entry, Result>[] {
    const { mostBatchRows, mostBatchSize, mostBulkRows, mostBulkSize } = this.limits;
    return [
      ...takeFrom(this.queues.prompt, mostBatchRows, mostBatchSize),
      ...takeFrom(this.queues.bulk, mostBulkRows, mostBulkSize),
    ];
  }

  private launch(pending: readonly Pending<Entry, Result>[]): void {
    const sent: Sent<Entry, Result> = { pending, at: monotonicMs() };
    this.inFlight.add(sent);
    const expiresAt = Math.max(...pending.map((one) => one.expiresAt));
    this.send({ expiresAt, entries: pending.map(({ entry }) => entry) }).then(
      (reply) => this.land(sent, reply),
      (error: Error) => this.land(sent, { ok: false, error }),
    );
  }

  private land(sent: Sent<Entry, Result>, reply: BatchReply<Result>): void {
    this.inFlight.delete(sent);
    if (reply.ok) {
      for (const [i, pending] of sent.pending.entries()) this.settle(pending, () => pending.resolve(reply.results[i]!));
    } else {
      const error = unavailable(`the database did not commit: ${reply.error.message}`);
      for (const pending of sent.pending) this.settle(pending, () => pending.reject(error));
    }
    this.onOutcome(reply.ok ? null : reply.error.message);
    this.flush();
  }

  private settle(pending: Pending<Entry, Result>, how: () => void): void {
    if (pending.settled) return;
    pending.settled = true;
    if (pending.isBounded) {
      this.jobRows -= pending.rows;
      this.jobSize -= pending.size;
    }
    how();
  }

  private all(): Pending<Entry, Result>[] {
    return [...[...this.inFlight].flatMap(({ pending }) => pending), ...this.queues.prompt, ...this.queues.bulk];
  }

  private expire(): void {
    const { deadlineMs, downAfterMs } = this.limits;
    const now = monotonicMs();
    const late = this.all().filter((pending) => !pending.settled && pending.expiresAt <= now);
    if (late.length > 0) {
      const message = `the database did not commit within ${deadlineMs} ms`;
      const error = unavailable(message);
      for (const pending of late) this.settle(pending, () => pending.reject(error));
      for (const queue of Object.values(this.queues)) dropSettled(queue);
      this.onOutcome(message);
      this.flush();
    } else if ([...this.inFlight].some(({ at }) => now - at > downAfterMs)) {
      this.onOutcome(`a commit takes longer than ${downAfterMs} ms`);
    }
  }
}

/** Takes entries off the queue up to these bounds, but at least one where there is any. */
function takeFrom<Item extends { readonly rows: number; readonly size: number }>(
  queue: Item[],
  mostRows: number,
  mostSize: number,
): Item[] {
  let rows = 0;
  let size = 0;
  let count = 0;
  for (const pending of queue) {
    rows += pending.rows;
    size += pending.size;
    if (count > 0 && (rows > mostRows || size > mostSize)) break;
    count++;
  }
  return queue.splice(0, count);
}

/** Entries wait in order, so the settled ones are the first ones. */
function dropSettled(queue: { readonly settled: boolean }[]): void {
  const left = queue.findIndex(({ settled }) => !settled);
  queue.splice(0, left < 0 ? queue.length : left);
}
