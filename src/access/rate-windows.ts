interface Window {
  readonly endsAt: number;
  count: number;
}

/**
 * Counts by name, each within a window that begins with its first count. Remembers names for at most two windows, so that
 * memory is bounded by how many there are in that time.
 */
export class RateWindows {
  private readonly windows = new Map<string, Window>();
  private sweepAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly lengthMs: number) {}

  /** How many names are remembered. */
  get size(): number {
    return this.windows.size;
  }

  /** Counts one more, at `now` (milliseconds of a clock that never goes back). `leftMs`: until the window ends, above 0. */
  count(name: string, now: number): { readonly count: number; readonly leftMs: number } {
    this.sweep(now);
    let window = this.windows.get(name);
    if (!window || window.endsAt <= now) {
      window = { endsAt: now + this.lengthMs, count: 0 };
      this.windows.set(name, window);
    }
    window.count++;
    return { count: window.count, leftMs: window.endsAt - now };
  }

  private sweep(now: number): void {
    if (now < this.sweepAt) return;
    this.sweepAt = now + this.lengthMs;
    for (const [name, { endsAt }] of this.windows) if (endsAt <= now) this.windows.delete(name);
  }
}
