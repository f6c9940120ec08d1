/** Requests that one queue works on at once: in all, and of one client. */
const MOST_AT_ONCE = 32;
const MOST_OF_ONE_CLIENT = 8;
/** What may wait before the queue counts as full. */
const MOST_WAITING = 1_000;
const MOST_WAITING_BYTES = 16 * 1024 * 1024;

interface Waiting {
  readonly bytes: number;
  readonly work: () => Promise<void>;
}

/**
 * Works on requests side by side, a bounded number at once, and lets clients take turns: one with many or slow requests waits
 * for itself and holds up nobody else.
 */
export class RequestQueue {
  /** Who has requests waiting; whose turn is next stands first. */
  private readonly waiting = new Map<string, Waiting[]>();
  private readonly running = new Map<string, number>();
  private runningCount = 0;
  private waitingCount = 0;
  private waitingBytes = 0;

  /** True where more should wait elsewhere. */
  get isFull(): boolean {
    return this.waitingCount >= MOST_WAITING || this.waitingBytes >= MOST_WAITING_BYTES;
  }

  /** Runs `work`, which never rejects, when it is the client's turn. `bytes` is what it holds in memory until then. */
  add(client: string, bytes: number, work: () => Promise<void>): void {
    const queue = this.waiting.get(client) ?? [];
    queue.push({ bytes, work });
    this.waiting.set(client, queue);
    this.waitingCount++;
    this.waitingBytes += bytes;
    this.startNext();
  }

  private startNext(): void {
    while (this.runningCount < MOST_AT_ONCE) {
      const client = this.nextClient();
      if (client === null) return;
      void this.run(client, this.take(client));
    }
  }

  private nextClient(): string | null {
    for (const client of this.waiting.keys()) {
      if ((this.running.get(client) ?? 0) < MOST_OF_ONE_CLIENT) return client;
    }
    return null;
  }

  private take(client: string): Waiting {
    const queue = this.waiting.get(client)!;
    const first = queue.shift()!;
    this.waiting.delete(client);
    // At the end: everybody else has a turn first.
    if (queue.length > 0) this.waiting.set(client, queue);
    this.waitingCount--;
    this.waitingBytes -= first.bytes;
    return first;
  }

  private async run(client: string, { work }: Waiting): Promise<void> {
    this.runningCount++;
    this.running.set(client, (this.running.get(client) ?? 0) + 1);
    try {
      await work();
    } finally {
      this.runningCount--;
      const left = this.running.get(client)! - 1;
      if (left === 0) this.running.delete(client);
      else this.running.set(client, left);
      this.startNext();
    }
  }
}
