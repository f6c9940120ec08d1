import type { LoggerService } from '@nestjs/common';

const INTERVAL_MS = 1_000;

/**
 * Warns at most once a second per `kind`, so that whoever causes a line cannot flood the log. The next line of a kind says
 * in `suppressed` how many were left out since the one before.
 */
export class LimitedLog {
  private readonly kinds = new Map<string, { nextAt: number; suppressed: number }>();

  constructor(
    private readonly logger: Pick<LoggerService, 'warn'>,
    /** Milliseconds of a clock that never goes back. */
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** `kind` must come from a fixed set of names; `fields` are made only when the line is written. */
  warn(kind: string, fields: () => Readonly<Record<string, unknown>>): void {
    const now = this.now();
    const state = this.kinds.get(kind) ?? { nextAt: now, suppressed: 0 };
    this.kinds.set(kind, state);
    if (now < state.nextAt) {
      state.suppressed++;
      return;
    }
    this.logger.warn({ ...fields(), ...(state.suppressed > 0 ? { suppressed: state.suppressed } : {}) });
    state.nextAt = now + INTERVAL_MS;
    state.suppressed = 0;
  }
}
