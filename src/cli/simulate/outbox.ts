/** Something to publish until the broker has acknowledged it. `sends` counts how often it was handed to a connection. */
export interface OutboxEntry {
  readonly kind: 'reading' | 'fault' | 'answer';
  readonly topic: string;
  readonly payload: string;
  readonly qos: 0 | 1 | 2;
  sends: number;
}

/** The fields of an entry that its maker chooses. */
export type NewEntry = Omit<OutboxEntry, 'sends'>;

/**
 * What a device has still to say: bounded, in order, answers before readings, and with a bounded window of entries on the
 * way. An entry leaves only when it is acknowledged; those on the way when a connection ends are sent again first.
 */
export class Outbox {
  private answers: OutboxEntry[] = [];
  private readings: OutboxEntry[] = [];
  private readonly onTheWay = new Set<OutboxEntry>();

  constructor(
    private readonly limit: number,
    private readonly window: number,
  ) {}

  /** How many are not acknowledged yet, sent or not. */
  get size(): number {
    return this.answers.length + this.readings.length + this.onTheWay.size;
  }

  /** How many readings were never handed to any connection. */
  get unsentReadings(): number {
    return this.readings.filter(({ kind, sends }) => kind === 'reading' && sends === 0).length;
  }

  /** Takes a new entry. False where the outbox is full and it was not taken; answers are always taken. */
  add(entry: NewEntry): boolean {
    if (entry.kind === 'answer') {
      this.answers.push({ ...entry, sends: 0 });
      return true;
    }
    if (this.readings.length + this.onTheWay.size >= this.limit) return false;
    this.readings.push({ ...entry, sends: 0 });
    return true;
  }

  /** The next entry to send, now on its way; null where there is none or the window is full. */
  take(): OutboxEntry | null {
    if (this.onTheWay.size >= this.window) return null;
    const entry = this.answers.shift() ?? this.readings.shift();
    if (!entry) return null;
    entry.sends += 1;
    this.onTheWay.add(entry);
    return entry;
  }

  /** Forgets an entry that was acknowledged. False where it was no longer on its way. */
  settle(entry: OutboxEntry): boolean {
    return this.onTheWay.delete(entry);
  }

  /** The connection is gone: all that was on its way is to be sent again, before the rest and in the same order. */
  rewind(): void {
    const lost = [...this.onTheWay];
    this.onTheWay.clear();
    this.answers = [...lost.filter(({ kind }) => kind === 'answer'), ...this.answers];
    this.readings = [...lost.filter(({ kind }) => kind !== 'answer'), ...this.readings];
  }
}
