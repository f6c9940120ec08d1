import type { Flow } from './flow.js';

/**
 * The publishes of one client between their fixed header and their end, counted in the flow of all. Some never reach the
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
    this.unclaimed += bytes;
    this.flow.add(bytes);
  }

  /** The last byte of the present packet came. */
  finish(): void {
    this.unfinished = false;
  }

  /** Somebody takes a publish over, and will settle it. */
  claim(bytes: number): void {
    if (this.ended) this.flow.add(bytes);
    else this.unclaimed -= bytes;
  }

  settle(bytes: number): void {
    this.begun--;
    this.flow.remove(bytes);
  }

  end(): void {
    this.ended = true;
    this.flow.remove(this.unclaimed);
  }
}
