import { Lockout } from '../common/lockout.js';
import { networkOf } from '../common/network-address.js';

/** 5 failed logins in 5 min lock that pair of id and address for 10 min. */
const PAIRS = { events: 5, withinMs: 300_000, lockMs: 600_000, capacity: 65_536 };
/** 50 over many ids slow that address, for 5 min. */
const ADDRESSES = { events: 50, withinMs: 300_000, lockMs: 300_000, capacity: 16_384 };
const SLOW_MS = 1_000;
/** Answers to one slowed address that may wait; as many seconds must be less than a client waits for its answer. */
const MAX_WAITING = 8;

/** What becomes of a failed login. */
export interface Failure {
  /** How long its answer is held back, in milliseconds; null: too many of that address wait already. */
  readonly holdMs: number | null;
  /** It began that: the lock of the pair, or the slowness of the address. */
  readonly began: 'lock' | 'slow' | null;
}

/**
 * Counts failed logins. Five of one id from one address lock that pair, also for the right secret. Fifty from one address, over
 * whichever ids, slow its failures to one a second; nothing keeps a good login from there. What an id fails while it is locked
 * counts no more, so that one forgotten device does not slow all behind its address. Bounded in memory, without timers.
 */
export class LoginLimiter {
  private readonly pairs: Lockout;
  private readonly addresses: Lockout;
  /** From when on a slowed address may get its next answer. */
  private readonly nextAnswerAt = new Map<string, number>();

  constructor(
    /** Milliseconds of a clock that never goes back. */
    private readonly now: () => number = () => performance.now(),
  ) {
    this.pairs = new Lockout(PAIRS, now);
    this.addresses = new Lockout(ADDRESSES, now);
  }

  isLocked(id: string, address: string): boolean {
    return this.pairs.isLocked(pairOf(id, address));
  }

  /** The pair begins anew. The address does not: one good login among many failures says nothing about them. */
  succeeded(id: string, address: string): void {
    this.pairs.forget(pairOf(id, address));
  }

  failed(id: string, address: string): Failure {
    const network = networkOf(address);
    const pair = pairOf(id, address);
    const counts = !this.pairs.isLocked(pair);
    const locks = counts && this.pairs.note(pair);
    const slows = counts && this.addresses.note(network);
    return { holdMs: this.hold(network), began: locks ? 'lock' : slows ? 'slow' : null };
  }

  private hold(network: string): number | null {
    if (!this.addresses.isLocked(network)) {
      this.nextAnswerAt.delete(network);
      return 0;
    }
    const now = this.now();
    const at = Math.max(now, this.nextAnswerAt.get(network) ?? now) + SLOW_MS;
    if (at - now > MAX_WAITING * SLOW_MS) return null;
    this.nextAnswerAt.delete(network);
    this.nextAnswerAt.set(network, at);
    for (const [oldest] of this.nextAnswerAt) {
      if (this.nextAnswerAt.size <= ADDRESSES.capacity) break;
      this.nextAnswerAt.delete(oldest);
    }
    return at - now;
  }
}

function pairOf(id: string, address: string): string {
  return `${networkOf(address)} ${id}`;
}
