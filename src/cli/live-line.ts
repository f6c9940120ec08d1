/** What progress is written to: `process.stdout` or `process.stderr`. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const LIVE_MS = 500;
const PLAIN_MS = 3_000;

/** Shows how a run goes: one live line of `parts` on a terminal, elsewhere a plain line every 3 s. Notes are lines of their own. */
export class LiveLine {
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly output: Output,
    private readonly parts: () => readonly string[],
  ) {
    this.timer = setInterval(() => this.show(), output.isTTY ? LIVE_MS : PLAIN_MS);
  }

  /** Writes a line of its own. */
  note(text: string): void {
    this.output.write(this.output.isTTY ? `\r\x1b[K${text}\n` : `${text}\n`);
  }

  /** Shows nothing more. */
  end(): void {
    clearInterval(this.timer);
    if (this.output.isTTY) this.output.write('\r\x1b[K');
  }

  private show(): void {
    const parts = this.parts();
    if (!this.output.isTTY) {
      this.output.write(`${parts.join('  ')}\n`);
      return;
    }
    // One column stays free: a terminal wraps when the last one is filled.
    const room = (this.output.columns ?? 80) - 1;
    const line = parts.join('  ');
    this.output.write(`\r\x1b[K${(line.length <= room ? line : parts.join(' ')).slice(0, room)}`);
  }
}
