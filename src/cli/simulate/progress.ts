import { LiveLine, type Output } from '../live-line.js';
import { ms } from './summary.js';
import type { Tally } from './tally.js';

/** Shows how a run of virtual devices goes. */
export class Progress {
  private readonly startedAt = performance.now();
  private readonly line: LiveLine;
  private lastAt = this.startedAt;
  private lastCount = 0;

  constructor(
    output: Output,
    private readonly tally: Tally,
    private readonly devices: number,
    private readonly acknowledges: boolean,
  ) {
    this.line = new LiveLine(output, () => this.parts());
  }

  /** Writes a line of its own. */
  note(text: string): void {
    this.line.note(text);
  }

  /** Shows nothing more. */
  end(): void {
    this.line.end();
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
