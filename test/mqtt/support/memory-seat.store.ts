import { type SeatLeases, SeatStore } from '../../../src/mqtt/seat.store.js';

/** A seat store of one replica: it holds every seat, unless a test takes some away. */
export class MemorySeatStore extends SeatStore {
  /** What {@link renew} answers; null: all that is asked for is held. */
  answer: SeatLeases | null = null;
  /** What {@link renew} fails with while the database is away. */
  failure: Error | null = null;
  readonly released: string[] = [];
  private readonly listeners = new Set<() => void>();

  override renew(names: readonly string[]): Promise<SeatLeases> {
    if (this.failure) return Promise.reject(this.failure);
    return Promise.resolve(this.answer ?? { held: names, surplus: [] });
  }

  override release(names: readonly string[]): Promise<void> {
    this.released.push(...names);
    return Promise.resolve();
  }

  override leave(): Promise<void> {
    return Promise.resolve();
  }

  override onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Tells the link to look again. */
  change(): void {
    for (const listener of this.listeners) listener();
  }
}
