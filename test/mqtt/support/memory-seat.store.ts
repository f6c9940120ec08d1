import { LEASE_MS, type SeatLeases, SeatStore } from '../../../src/mqtt/seat.store.js';

/** A seat store of one replica: it holds every seat, unless a test takes some away. */
export class MemorySeatStore extends SeatStore {
  /** What {@link renew} answers; null: all that is asked for is held. */
  answer: SeatLeases | null = null;
  /** What {@link renew} fails with while the database is away. */
  failure: Error | null = null;
  /** Where set, {@link renew} waits for it. */
  gate: Promise<void> | null = null;
  renewals = 0;
  left = false;
  readonly released: string[] = [];
  private readonly listeners = new Set<() => void>();

  override async renew(names: readonly string[]): Promise<SeatLeases> {
    this.renewals++;
    await this.gate;
    if (this.failure) throw this.failure;
    return this.answer ?? { held: names, surplus: [] };
  }

  override release(names: readonly string[]): Promise<void> {
    this.released.push(...names);
    return Promise.resolve();
  }

  override leave(): Promise<void> {
    this.left = true;
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

/** The leases of several replicas, which share the seats evenly, as the table in the database does. */
export class SeatTable {
  private readonly rows = new Map<string, { holder: string; until: number }>();
  private readonly replicas = new Map<string, number>();
  private readonly listeners = new Set<() => void>();

  /** The store of one replica. */
  join(id: string): SeatStore & { dead: boolean } {
    const renew = (names: readonly string[]): SeatLeases => this.renew(id, names);
    const release = (names: readonly string[]): void => this.release(id, names);
    const { replicas, listeners } = this;
    class TableStore extends SeatStore {
      /** A dead replica reaches the table no more. */
      dead = false;

      override renew(names: readonly string[]): Promise<SeatLeases> {
        return this.dead ? new Promise(() => {}) : Promise.resolve(renew(names));
      }

      override release(names: readonly string[]): Promise<void> {
        release(names);
        return Promise.resolve();
      }

      override leave(): Promise<void> {
        replicas.delete(id);
        release(Array.from({ length: 64 }, (_, i) => String(i + 1)));
        return Promise.resolve();
      }

      override onChange(listener: () => void): () => void {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      }
    }
    return new TableStore();
  }

  /** Who holds which seat now. */
  get holders(): Record<string, string> {
    const live = [...this.rows].filter(([, { until }]) => until > performance.now());
    return Object.fromEntries(live.map(([name, { holder }]) => [name, holder]));
  }

  private renew(id: string, names: readonly string[]): SeatLeases {
    const now = performance.now();
    this.replicas.set(id, now + LEASE_MS);
    const live = [...this.replicas].filter(([, until]) => until > now).map(([replica]) => replica);
    const at = live.toSorted().indexOf(id);
    const share = Math.floor(names.length / live.length) + (at < names.length % live.length ? 1 : 0);
    const held = names.filter((name) => this.rows.get(name)?.holder === id && this.rows.get(name)!.until > now);
    for (const name of names) {
      if (held.length >= share) break;
      if (!held.includes(name) && (this.rows.get(name)?.until ?? 0) <= now) held.push(name);
    }
    for (const name of held) this.rows.set(name, { holder: id, until: now + LEASE_MS });
    return { held, surplus: held.slice(share) };
  }

  private release(id: string, names: readonly string[]): void {
    for (const name of names) if (this.rows.get(name)?.holder === id) this.rows.delete(name);
    for (const listener of this.listeners) setImmediate(listener);
  }
}
