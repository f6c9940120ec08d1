import { unavailable } from '../storage/storage.errors.js';

interface Waiting {
  readonly weight: number;
  readonly enter: () => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * Lets only so much weight in at once, first come, first served; one heavier than all of it goes in alone. At most one part of
 * what waits is let in per turn of the event loop, so that the sockets are served in between.
 */
export class Gate {
  private readonly waiting: Waiting[] = [];
  private inside = 0;
  private turnIsDue = false;

  constructor(
    private readonly mostInside: number,
    private readonly mostPerTurn: number,
    private readonly waitMs: number,
  ) {}

  /** Runs `work` once there is room for it. Rejects with STORAGE_UNAVAILABLE where there is none in time. */
  async through<T>(weight: number, work: () => Promise<T>): Promise<T> {
    await this.enter(weight);
    try {
      return await work();
    } finally {
      this.inside -= weight;
      this.nextTurn();
    }
  }

  private enter(weight: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.splice(this.waiting.indexOf(waiting), 1);
        reject(unavailable(`there was no room for this message within ${this.waitMs} ms`));
        this.nextTurn();
      }, this.waitMs);
      const waiting: Waiting = { weight, enter: resolve, timer };
      this.waiting.push(waiting);
      this.nextTurn();
    });
  }

  private nextTurn(): void {
    if (this.turnIsDue || !this.hasRoom()) return;
    this.turnIsDue = true;
    setImmediate(() => {
      this.turnIsDue = false;
      let entered = 0;
      while (entered < this.mostPerTurn && this.hasRoom()) {
        const { weight, enter, timer } = this.waiting.shift()!;
        clearTimeout(timer);
        this.inside += weight;
        entered += weight;
        enter();
      }
      this.nextTurn();
    });
  }

  private hasRoom(): boolean {
    const [first] = this.waiting;
    return first !== undefined && (this.inside === 0 || this.inside + first.weight <= this.mostInside);
  }
}
