import { isPassing } from '../common/errors.js';

const FIRST_PAUSE_MS = 250;
const LAST_PAUSE_MS = 2_000;
/** Works that begin in one turn of the event loop once things go again. */
const MOST_PER_TURN = 64;

interface Waiting {
  /** Works in the order in which they were first tried. */
  readonly place: number;
  readonly isWanted: () => boolean;
  readonly goOn: (tryAgain: boolean) => void;
}

/**
 * Does works again that failed because something is away. Of those that wait the oldest is tried after
 * 0.25 s, then one every 2 s; when it succeeds the others follow, some per turn. So an outage costs the same however much waits.
 */
export class Holding {
  private readonly waiting: Waiting[] = [];
  private pause = FIRST_PAUSE_MS;
  private timer: NodeJS.Timeout | null = null;
  private stopped = false;
  private works = 0;

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
    for (let isRepeated = false; ; isRepeated = true) {
      try {
        const result = await work();
        if (isRepeated) this.open();
        return result;
      } catch (error) {
        if (!isPassing(error) || this.stopped || !isWanted() || !(await this.next(place, isWanted))) throw error;
      }
    }
  }

  /** What waits is given up, and nothing is tried again. */
  stop(): void {
    this.stopped = true;
    if (this.timer) clearTimeout(this.timer);
    for (const { goOn } of this.waiting.splice(0)) goOn(false);
  }

  /** Resolves with true when it is time to try again, with false where there is no point any more. */
  private next(place: number, isWanted: () => boolean): Promise<boolean> {
    return new Promise((goOn) => {
      this.waiting.push({ place, isWanted, goOn });
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
    for (const one of this.takeAll()) {
      if (one.isWanted()) this.waiting.push(one);
      else one.goOn(false);
    }
    this.waiting.shift()?.goOn(true);
    if (this.waiting.length > 0) this.arm();
  }

  /** It goes again: those that wait now follow. */
  private open(): void {
    this.pause = FIRST_PAUSE_MS;
    const due = this.takeAll();
    const begin = (): void => {
      for (const { goOn } of due.splice(0, MOST_PER_TURN)) goOn(!this.stopped);
      if (due.length > 0) setImmediate(begin);
    };
    begin();
  }

  private takeAll(): Waiting[] {
    return this.waiting.splice(0).toSorted((one, other) => one.place - other.place);
  }
}
