/**
 * What may come in bursts, such as the ends of thousands of connections in one moment: only so much of it is done in one turn of the
 * event loop, so that all others get their turn too. The rest is done in the turns that follow, in its order.
 */
export class TurnShare {
  private waiting: (() => void)[] = [];
  private done = 0;
  private next: NodeJS.Immediate | null = null;

  /** `most`: pieces of work in one turn. */
  constructor(private readonly most: number) {}

  /** Does it now where this turn has room for it; else later. */
  do(work: () => void): void {
    this.next ??= setImmediate(this.turn);
    if (this.waiting.length > 0 || this.done >= this.most) {
      this.waiting.push(work);
      return;
    }
    this.done++;
    work();
  }

  private readonly turn = (): void => {
    const works = this.waiting.slice(0, this.most);
    this.waiting = this.waiting.slice(this.most);
    this.done = works.length;
    this.next = works.length > 0 ? setImmediate(this.turn) : null;
    for (const work of works) work();
  };
}
