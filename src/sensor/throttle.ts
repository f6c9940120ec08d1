/** Admits each key at most once per interval. Holds at most `maxKeys` keys; while it is full of recent ones, new keys wait. */
export class Throttle {
  private readonly admittedAt = new Map<string, number>();

  constructor(
    private readonly intervalMs: number,
    private readonly maxKeys: number,
  ) {}

  /** True where `key` was not admitted within the interval before `now` (milliseconds of a clock that never runs back). */
  admit(key: string, now: number): boolean {
    this.forgetBefore(now - this.intervalMs);
    if (this.admittedAt.has(key) || this.admittedAt.size >= this.maxKeys) return false;
    this.admittedAt.set(key, now);
    return true;
  }

  // A map keeps the order of insertion, so the oldest keys come first.
  private forgetBefore(time: number): void {
    for (const [key, at] of this.admittedAt) {
      if (at > time) return;
      this.admittedAt.delete(key);
    }
  }
}
