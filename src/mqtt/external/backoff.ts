const FIRST_MS = 250;
const LONGEST_MS = 30_000;
const MOST_FAILURES = Math.ceil(Math.log2(LONGEST_MS / FIRST_MS));
/** Failures that are still remembered once a connection was made: 2 s at most before the next attempt. */
const REMEMBERED = 3;

/**
 * How long to wait before the next attempt: up to 0.25 s, doubled with each failure up to 30 s, a random part of it ("full
 * jitter"), so that many clients of a broker that restarts do not come back in one moment.
 */
export class Backoff {
  private failures = 0;

  constructor(private readonly random: () => number = Math.random) {}

  /** Milliseconds to wait after one more failure, at most `longestMs`. */
  next(longestMs = LONGEST_MS): number {
    const longest = Math.min(longestMs, FIRST_MS * 2 ** this.failures);
    this.failures = Math.min(this.failures + 1, MOST_FAILURES);
    return this.random() * longest;
  }

  /** A connection was made. What failed before counts for little, but one that is lost again and again still slows down. */
  connected(): void {
    this.failures = Math.min(this.failures, REMEMBERED);
  }

  /** It held: the next failure is the first. */
  stable(): void {
    this.failures = 0;
  }
}
