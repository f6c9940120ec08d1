import { TurnShare } from '../../common/turn-share.js';
import type { FrameGuard } from './frame.guard.js';

/** Bytes of publishes in flight over all clients, above which each client may have only one. */
const MAX_BYTES_IN_FLIGHT = 64 * 1_048_576;

/** Client ids whose bucket is remembered; beyond them that of the least recent connection is forgotten. */
const MAX_BUCKETS = 65_536;

/** Connections that end in one turn of the event loop, each in about 0.1 ms; those that begin wait behind them. */
const MAX_CHANGES_PER_TURN = 64;

/** What all connections share: how much is in flight, what each client id may send, and whether anything is taken in at all. */
export class Flow {
  stopped = false;
  /** Where connections begin and end. */
  readonly changes = new TurnShare(MAX_CHANGES_PER_TURN);
  private bytes = 0;
  private readonly waiting = new Set<FrameGuard>();
  private readonly buckets = new Map<string, TokenBucket>();

  constructor(
    /** Packets per second of one client; 0 = no limit. */
    readonly rate: number,
    private readonly maxBytes = MAX_BYTES_IN_FLIGHT,
    /** How long a client may be over its rate without a pause, before it is closed. */
    readonly patienceMs = 30_000,
    private readonly maxBuckets = MAX_BUCKETS,
  ) {}

  get full(): boolean {
    return this.bytes >= this.maxBytes;
  }

  add(bytes: number): void {
    this.bytes += bytes;
  }

  /** Lets those go on that waited for room. */
  remove(bytes: number): void {
    this.bytes -= bytes;
    if (this.waiting.size === 0 || this.full) return;
    const guards = [...this.waiting];
    this.waiting.clear();
    for (const guard of guards) guard.goOn();
  }

  wait(guard: FrameGuard): void {
    this.waiting.add(guard);
  }

  /** The bucket of a client id: the same for all its connections, so that a reconnect brings no new burst. */
  bucketOf(clientId: string): TokenBucket {
    const bucket = this.buckets.get(clientId) ?? new TokenBucket(this.rate);
    this.buckets.delete(clientId);
    this.buckets.set(clientId, bucket);
    for (const [id, { full }] of this.buckets) {
      if (id === clientId || (!full && this.buckets.size <= this.maxBuckets)) break;
      this.buckets.delete(id);
    }
    return bucket;
  }

  leave(guard: FrameGuard): void {
    this.waiting.delete(guard);
  }
}

/** Packets that one client may still send: refilled at `rate` a second, ten seconds' worth at most; a rate of 0 is no limit. */
export class TokenBucket {
  private tokens: number;
  private filledAt: number;

  constructor(
    private readonly rate: number,
    /** Milliseconds of a clock that never goes back. */
    private readonly now: () => number = () => performance.now(),
  ) {
    this.tokens = rate * 10;
    this.filledAt = now();
  }

  /** True where it is as good as a new one. */
  get full(): boolean {
    this.refill();
    return this.tokens >= this.rate * 10;
  }

  /** True where one more may pass now. */
  take(): boolean {
    if (this.rate === 0) return true;
    if (this.tokens < 1) this.refill();
    if (this.tokens < 1) return false;
    this.tokens--;
    return true;
  }

  private refill(): void {
    const now = this.now();
    this.tokens = Math.min(this.tokens + ((now - this.filledAt) * this.rate) / 1_000, this.rate * 10);
    this.filledAt = now;
  }
}
