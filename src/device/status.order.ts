/** Most devices whose newest status is remembered. */
const CAPACITY = 20_000;

/** Of a message: whose it is, and its number in the order of arrival. */
interface Arrived {
  readonly deviceId: string;
  readonly arrival: number;
}

/**
 * Keeps statuses in the order in which they came: batches one after the other, and without those that had to wait for the
 * database for so long that newer ones of their device were kept before them. Clocks, which may go back, have no say.
 */
export class StatusOrder {
  private last: Promise<unknown> = Promise.resolve();
  private readonly newest = new Map<string, number>();

  /** Calls `keep` with those that are still news once all earlier calls have ended, and ends like it. */
  through<Item extends Arrived>(items: readonly Item[], keep: (news: readonly Item[]) => Promise<void>): Promise<void> {
    const turn = this.after(this.last, items, keep);
    this.last = turn.catch(() => {});
    return turn;
  }

  private async after<Item extends Arrived>(
    before: Promise<unknown>,
    items: readonly Item[],
    keep: (news: readonly Item[]) => Promise<void>,
  ): Promise<void> {
    await before;
    const news = items.filter(({ deviceId, arrival }) => arrival >= (this.newest.get(deviceId) ?? 0));
    await keep(news);
    if (this.newest.size >= CAPACITY) this.newest.clear();
    for (const { deviceId, arrival } of news) this.newest.set(deviceId, arrival);
  }
}
