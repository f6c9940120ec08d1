import { LEASE_MS, type SeatStore } from '../seat.store.js';

const RENEW_MS = 3_000;
/** After a renewal that failed. */
const RETRY_MS = 1_000;

/** What a change of leases asks for. */
export interface LeaseEvents {
  /** The store has answered for the first time; whatever is held has been told. */
  readonly known: () => void;
  readonly held: (name: string) => void;
  /** At once: another replica may have it by now. */
  readonly lost: (name: string) => void;
  /** To be given back with {@link LeaseKeeper.release} once drained. Called again with each renewal until it is. */
  readonly surplus: (name: string) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Renews our leases and knows which are valid: for {@link LEASE_MS} from before their last renewal was asked for, on a clock
 * that never goes back, so that ours end before the database gives them to somebody else.
 */
export class LeaseKeeper {
  /** True once the store has answered. */
  known = false;
  private readonly held = new Set<string>();
  private validUntil = 0;
  private askedAt = 0;
  private stopped = true;
  private renewing: Promise<void> | null = null;
  private again = false;
  private renewal: NodeJS.Timeout | undefined;
  private expiry: NodeJS.Timeout | undefined;
  private unlisten: () => void = () => {};
  /** Store calls run one after the other: a renewal beside a release could bring back what was just given away. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly store: SeatStore,
    private readonly names: readonly string[],
    private readonly events: LeaseEvents,
  ) {}

  get count(): number {
    return this.held.size;
  }

  isValid(name: string): boolean {
    return this.held.has(name) && performance.now() < this.validUntil;
  }

  start(): void {
    this.stopped = false;
    this.unlisten = this.store.onChange(() => void this.renew());
    void this.renew();
  }

  /** Resolves when a renewal that was asked for after `since` (of `performance.now()`) has been answered, or has failed. */
  async renewedSince(since: number): Promise<void> {
    // What is on its way was asked for earlier, and may be answered with what was true then.
    if (this.askedAt <= since) await this.renewing;
    if (this.askedAt <= since) await (this.renewing ?? this.renew());
  }

  /** Gives a lease back. */
  async release(name: string): Promise<void> {
    const give = async (): Promise<void> => {
      if (this.held.delete(name)) await this.store.release([name]);
    };
    await this.inTurn(give).catch(this.events.failed);
  }

  /** Renews nothing more; what is held stays valid until it ends by itself, or {@link leave}. */
  stop(): void {
    this.stopped = true;
    this.unlisten();
    clearTimeout(this.renewal);
  }

  /** Gives everything back, so that others take over at once. */
  async leave(): Promise<void> {
    clearTimeout(this.expiry);
    this.held.clear();
    await this.inTurn(() => this.store.leave()).catch(this.events.failed);
  }

  /** A renewal now; where one is on its way, another after it. */
  private renew(): Promise<void> {
    if (this.renewing) this.again = true;
    else if (this.stopped) return Promise.resolve();
    return (this.renewing ??= this.renewOnce());
  }

  /** Must not reject: nobody who waits for a renewal may end the process because the store is away. */
  private async renewOnce(): Promise<void> {
    clearTimeout(this.renewal);
    let pause = RENEW_MS;
    try {
      await this.inTurn(() => this.ask());
      // Counted from when it was asked for, as the leases are: a slow store must not make them run out.
      pause -= performance.now() - this.askedAt;
    } catch (error) {
      pause = RETRY_MS;
      this.events.failed(error);
    }
    this.renewing = null;
    if (this.stopped) return;
    if (this.again) pause = 0;
    this.again = false;
    this.renewal = setTimeout(() => void this.renew(), Math.max(0, pause));
  }

  private async ask(): Promise<void> {
    const askedAt = performance.now();
    this.askedAt = askedAt;
    const { held, surplus } = await this.store.renew(this.names);
    if (this.stopped) return;
    const isFirst = !this.known;
    this.known = true;
    this.validUntil = askedAt + LEASE_MS;
    const left = this.validUntil - performance.now();
    const valid = new Set(left > 0 ? held : []);
    for (const name of this.held) if (!valid.has(name)) this.lose(name);
    for (const name of valid) this.hold(name);
    if (isFirst) this.events.known();
    clearTimeout(this.expiry);
    if (left > 0) this.expiry = setTimeout(() => this.expire(), left);
    for (const name of surplus) if (this.held.has(name)) this.events.surplus(name);
  }

  private hold(name: string): void {
    this.held.add(name);
    this.events.held(name);
  }

  private lose(name: string): void {
    this.held.delete(name);
    this.events.lost(name);
  }

  private expire(): void {
    for (const name of this.held) this.lose(name);
  }

  private async inTurn<T>(job: () => Promise<T>): Promise<T> {
    const result = this.last.then(job);
    this.last = result.catch(() => {});
    return result;
  }
}
