/** When something is locked, and for how long. Times in milliseconds. */
export interface LockoutRule {
  /** That many events ... */
  readonly events: number;
  /** ... within this time lock a key ... */
  readonly withinMs: number;
  /** ... for this time. */
  readonly lockMs: number;
  /** Most keys that are remembered; beyond them the one that was not heard of for longest is forgotten. */
  readonly capacity: number;
}

interface Place {
  /** Of the events that count, oldest first; fewer than lock it. */
  times: number[];
  lockedUntil: number;
}

/** Locks keys under which too much happens. Bounded, and without timers: what has passed is found out when it is asked for. */
export class Lockout {
  /** The least recent first. */
  private readonly places = new Map<string, Place>();

  constructor(
    private readonly rule: LockoutRule,
    /** Milliseconds of a clock that never goes back. */
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** How many keys are remembered. */
  get size(): number {
    return this.places.size;
  }

  isLocked(key: string): boolean {
    const place = this.places.get(key);
    if (!place || place.lockedUntil <= this.now()) return false;
    // Whoever goes on trying is not forgotten for it.
    this.touch(key, place);
    return true;
  }

  /** One more event; true where it locks the key. What happens while that is locked counts nothing. */
  note(key: string): boolean {
    const now = this.now();
    const place = this.places.get(key) ?? { times: [], lockedUntil: Number.NEGATIVE_INFINITY };
    this.touch(key, place);
    if (place.lockedUntil > now) return false;
    place.times = [...place.times.filter((time) => time > now - this.rule.withinMs), now];
    if (place.times.length < this.rule.events) return false;
    place.times = [];
    place.lockedUntil = now + this.rule.lockMs;
    return true;
  }

  /** As if nothing had happened under the key. */
  forget(key: string): void {
    this.places.delete(key);
  }

  private touch(key: string, place: Place): void {
    this.places.delete(key);
    this.places.set(key, place);
    if (this.places.size <= this.rule.capacity) return;
    for (const [oldest] of this.places) {
      this.places.delete(oldest);
      return;
    }
  }
}
