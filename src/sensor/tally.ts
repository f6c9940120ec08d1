/**
 * What became of what came in. As soon as nothing is in flight, `received` = `stored` + `duplicates` + `rejected` +
 * `notAcknowledged` + `shed`. `conflicts` are those of the duplicates whose values differ from what is stored; `shed` is what
 * was dropped at QoS 0 under overload.
 */
export interface Counts {
  readonly received: number;
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly rejected: number;
  readonly notAcknowledged: number;
  readonly shed: number;
}

/** Counts since the start of the process. */
export class Tally {
  private counts: Counts = {
    received: 0,
    stored: 0,
    duplicates: 0,
    conflicts: 0,
    rejected: 0,
    notAcknowledged: 0,
    shed: 0,
  };

  get snapshot(): Counts {
    return this.counts;
  }

  add(more: Partial<Counts>): void {
    const {
      received = 0,
      stored = 0,
      duplicates = 0,
      conflicts = 0,
      rejected = 0,
      notAcknowledged = 0,
      shed = 0,
    } = more;
    this.counts = {
      received: this.counts.received + received,
      stored: this.counts.stored + stored,
      duplicates: this.counts.duplicates + duplicates,
      conflicts: this.counts.conflicts + conflicts,
      rejected: this.counts.rejected + rejected,
      notAcknowledged: this.counts.notAcknowledged + notAcknowledged,
      shed: this.counts.shed + shed,
    };
  }
}
