import { ms } from './summary.js';
import type { Tally } from './tally.js';

/** What progress is written to: `process.stdout` or `process.stderr`. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const LIVE_MS = 500;
const PLAIN_MS = 3_000;

/** Shows how a run goes: one live line on a terminal, elsewhere a plain line every 3 s. Notes are lines of their own. */
export class Progress {
  private readonly startedAt = performance.now();
  private readonly timer: NodeJS.Timeout;
  private lastAt = this.startedAt;
  private lastCount = 0;

  constructor(
    private readonly output: Output,
    private readonly tally: Tally,
    private readonly devices: number,
    private readonly acknowledges: boolean,
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

  private parts(): readonly string[] {
    const { tally } = this;
    const now = performance.now();
    const count = this.acknowledges ? tally.acknowledged : tally.sent;
    const perSecond = ((count - this.lastCount) * 1000) / Math.max(1, now - this.lastAt);
    this.lastAt = now;
    this.lastCount = count;
    const { p50, p99 } = tally.latency;
    const told = Object.values(tally.serviceErrors).reduce((sum, errors) => sum + errors, 0);
    return [
      `${Math.round((now - this.startedAt) / 1000)}s`,
      `sent ${tally.sent}`,
      ...(this.acknowledges ? [`acknowledged ${tally.acknowledged}`] : []),
      `${perSecond.toFixed(1)}/s`,
      ...(this.acknowledges ? [`p50 ${ms(p50)}`, `p99 ${ms(p99)}`] : []),
      `online ${tally.online}/${this.devices}`,
      `commands ${tally.commandsAnswered}`,
      `errors ${told}`,
    ];
  }
}
