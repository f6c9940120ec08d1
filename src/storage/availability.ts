import { Logger } from '@nestjs/common';
import type { DatabaseStatus } from './database.js';

const PROBE_INTERVAL_MS = 1_000;

/**
 * Whether the database commits. One of its ways to commit that fails, or takes too long, makes it `down`; then each of these is
 * probed every second, so that recovery needs no traffic, and when all commit again it is `up`.
 */
export class Availability {
  private readonly logger = new Logger('Storage');
  private readonly troubled = new Set<() => void>();
  private state: DatabaseStatus = 'starting';
  private timer: NodeJS.Timeout | undefined;

  /** `onRecovery` is called when it commits again: what was refused meanwhile may have been committed all the same. */
  constructor(private readonly onRecovery: () => void = () => {}) {}

  get status(): DatabaseStatus {
    return this.state;
  }

  /** Adds a way to commit; the result is to be told each outcome: null, or why it failed. `probe` commits nothing, once, and must not throw. */
  watch(probe: () => void): (problem: string | null) => void {
    return (problem) => {
      if (problem === null) this.recover(probe);
      else this.lose(probe, problem);
    };
  }

  open(): void {
    this.state = 'up';
  }

  /** Nothing is probed any more; the status stays as it is until {@link stop}. */
  close(): void {
    clearInterval(this.timer);
  }

  stop(): void {
    this.close();
    this.state = 'stopped';
  }

  private lose(probe: () => void, problem: string): void {
    if (this.state !== 'up' && this.state !== 'down') return;
    this.troubled.add(probe);
    if (this.state === 'down') return;
    this.state = 'down';
    this.logger.error(`the database does not commit; what is sent meanwhile is refused: ${problem}`);
    this.timer = setInterval(() => {
      for (const troubled of this.troubled) troubled();
    }, PROBE_INTERVAL_MS);
  }

  private recover(probe: () => void): void {
    if (!this.troubled.delete(probe) || this.troubled.size > 0 || this.state !== 'down') return;
    this.state = 'up';
    clearInterval(this.timer);
    this.logger.log('the database commits again');
    this.onRecovery();
  }
}
