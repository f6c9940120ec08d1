import { type FrameHeader, isAnswer, PUBLISH } from './frame-header.js';
import type { TokenBucket } from './flow.js';

/** Packet ids, and so answers that one client can owe. */
const MAX_OWED = 65_535;

/**
 * What a client may send. Every packet counts against its bucket, but an acknowledgement only where it answers nothing, so
 * that a subscriber is never slower for what it is sent.
 */
export class Allowance {
  private owed = 0;
  private bucket: TokenBucket | null = null;
  private refusedSince: number | null = null;

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Counts with `bucket` from now on. */
  use(bucket: TokenBucket): void {
    this.bucket = bucket;
  }

  /** The client will answer that many times. */
  expect(answers: number): void {
    this.owed = Math.min(this.owed + answers, MAX_OWED);
  }

  /** True where the packet may pass now; it is counted then. */
  take({ type, flags }: FrameHeader): boolean {
    if (isAnswer(type) && this.owed > 0) {
      this.owed--;
      return true;
    }
    if (this.bucket?.take() === false) {
      this.refusedSince ??= this.now();
      return false;
    }
    // The PUBREL to a publish of QoS 2.
    if (type === PUBLISH && (flags & 6) === 4) this.expect(1);
    return true;
  }

  /** The client has nothing more to send: it has kept to its rate. */
  rested(): void {
    this.refusedSince = null;
  }

  /** True where the client has not kept to its rate for longer than `ms`. */
  isOverFor(ms: number): boolean {
    return this.refusedSince !== null && this.now() - this.refusedSince > ms;
  }
}
