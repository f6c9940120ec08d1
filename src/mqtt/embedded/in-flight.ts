import type { Flow } from './flow.js';

/** Bytes of memory that a publish takes besides its packet, from its header to its end (measured: decision 16). */
export const PUBLISH_COST = 3_072;

/**
 * The publishes of one client between their fixed header and their end, counted in the flow of all with what they cost. Some never reach the
 * intake, as those that are cut short: what nobody claimed is given back when the connection ends.
 */
export class InFlight {
  private begun = 0;
  private unclaimed = 0;
  private unfinished = false;
  private ended = false;

  constructor(private readonly flow: Flow) {}

  /** All, the one included that is still coming in. */
  get count(): number {
    return this.begun;
  }

  /** Those that came in whole. */
  get whole(): number {
    return this.begun - (this.unfinished ? 1 : 0);
  }

  begin(bytes: number): void {
    this.begun++;
    this.unfinished = bytes > 0;
    this.unclaimed += bytes + PUBLISH_COST;
    this.flow.add(bytes + PUBLISH_COST);
  }

  /** The last byte of the present packet came. */
  finish(): void {
    this.unfinished = false;
  }

  /** Somebody takes a publish over, and will settle it. */
  claim(bytes: number): void {
    if (this.ended) this.flow.add(bytes + PUBLISH_COST);
    else this.unclaimed -= bytes + PUBLISH_COST;
  }

  settle(bytes: number): void {
    this.begun--;
    this.flow.remove(bytes + PUBLISH_COST);
  }

  end(): void {
    this.ended = true;
    this.flow.remove(this.unclaimed);
  }
}
