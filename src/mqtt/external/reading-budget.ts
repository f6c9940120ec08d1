/** Bytes of messages that may be in the hands of our handlers, over all connections. */
const MAX_BYTES = 32 * 1_048_576;
/** What a message costs beside its payload. */
const OVERHEAD = 512;

/** How much is being handled. Above the bound no socket is read, until a quarter of it is free again. */
export class ReadingBudget {
  private bytes = 0;
  private readonly waiting = new Set<() => void>();

  constructor(private readonly maxBytes = MAX_BYTES) {}

  get full(): boolean {
    return this.bytes >= this.maxBytes;
  }

  take(payloadBytes: number): void {
    this.bytes += payloadBytes + OVERHEAD;
  }

  giveBack(payloadBytes: number): void {
    this.bytes -= payloadBytes + OVERHEAD;
    if (this.waiting.size === 0 || this.bytes > this.maxBytes * 0.75) return;
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const goOn of waiting) goOn();
  }

  /** Calls `goOn` once there is room. */
  wait(goOn: () => void): void {
    this.waiting.add(goOn);
  }
}
