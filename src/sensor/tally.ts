/**
 * What became of what came in. As soon as nothing is in flight, `received` = `stored` + `duplicates` + `rejected` +
 * `notAcknowledged`. `conflicts` are those of the duplicates whose values differ from what is stored. Nothing is shed: under
 * overload messages of QoS 0 are held like all others.
 */
export interface Counts {
  readonly received: number;
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly rejected: number;
  readonly notAcknowledged: number;
}

/** Counts since the start of the process. */
export class Tally {
  private readonly counts = {
    received: 0,
    stored: 0,
    duplicates: 0,
    conflicts: 0,
    rejected: 0,
    notAcknowledged: 0,
  };

  /** The counts as they are now; later ones do not change it. */
  get snapshot(): Counts {
    return { ...this.counts };
  }

  /** Counts `n` more readings or events as `what`. */
  add(what: keyof Counts, n: number): void {
    this.counts[what] += n;
  }
}
