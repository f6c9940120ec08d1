import { isPassing } from '../common/errors.js';

const FIRST_PAUSE_MS = 250;
const LAST_PAUSE_MS = 2_000;
/** Works that are done again at once when things go again: enough to keep a database busy, and no flood of what has gathered. */
const MOST_AT_ONCE = 32;

interface Waiting {
  readonly place: number;
  readonly isWanted: () => boolean;
  readonly goOn: (tryAgain: boolean) => void;
}

/**
 * Does works again that failed because something is away. Of those that wait the oldest is tried after 0.25 s, then one every
 * 2 s; when it succeeds the others follow in order, 32 at once. So an outage costs the same however much waits, and so does its end.
 */
export class Holding {
  /** In the order in which they were first tried. */
  private readonly waiting: Waiting[] = [];
  private pause = FIRST_PAUSE_MS;
  private timer: NodeJS.Timeout | null = null;
  private stopped = false;
  private works = 0;
  private repeating = 0;

  /** How many works wait for their next turn. */
  get size(): number {
    return this.waiting.length;
  }

  /**
   * Runs `work` until it succeeds. Rejects with its error where that does not pass by itself, where the work is not wanted any
   * more (asked after each failure and every pause), and from {@link stop} on.
   */
  async through<T>(work: () => Promise<T>, isWanted: () => boolean): Promise<T> {
    const place = this.works++;
    try {
      return await work();
    } catch (error) {
      if (!isPassing(error)) throw error;
      return this.again(place, error, work, isWanted);
    }
  }

  /** What waits is given up, and nothing is tried again. */
  stop(): void {
    this.stopped = true;
    if (this.timer) clearTimeout(this.timer);
    for (const { goOn } of this.waiting.splice(0)) goOn(false);
  }

  private async again<T>(place: number, first: unknown, work: () => Promise<T>, isWanted: () => boolean): Promise<T> {
    for (let last = first; ;) {
      if (this.stopped || !isWanted() || !(await this.turn(place, isWanted))) throw last;
      this.repeating++;
      try {
        const result = await work();
        this.repeating--;
        this.open();
        return result;
      } catch (error) {
        this.repeating--;
        if (!isPassing(error)) throw error;
        last = error;
      }
    }
  }

  /** Resolves with true when it is time to try again, with false where there is no point any more. */
  private turn(place: number, isWanted: () => boolean): Promise<boolean> {
    const later = (this.waiting.at(-1)?.place ?? -1) > place;
    const at = later ? this.waiting.findIndex((other) => other.place > place) : this.waiting.length;
    return new Promise((goOn) => {
      this.waiting.splice(at, 0, { place, isWanted, goOn });
      this.arm();
    });
  }

  private arm(): void {
    // Replicas and routes must not all come back in the same moment.
    this.timer ??= setTimeout(() => this.tryOne(), this.pause * (0.5 + Math.random() / 2));
  }

  private tryOne(): void {
    this.timer = null;
    this.pause = Math.min(this.pause * 2, LAST_PAUSE_MS);
    for (const one of this.waiting.splice(0)) {
      if (one.isWanted()) this.waiting.push(one);
      else one.goOn(false);
    }
    this.waiting.shift()?.goOn(true);
    if (this.waiting.length > 0) this.arm();
  }

  /** It goes again. */
  private open(): void {
    this.pause = FIRST_PAUSE_MS;
    const room = Math.max(0, MOST_AT_ONCE - this.repeating);
    for (const { goOn } of this.waiting.splice(0, room)) goOn(true);
  }
}
