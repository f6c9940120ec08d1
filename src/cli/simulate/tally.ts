import { createHistogram } from 'node:perf_hooks';
import type { Answer } from './device-rules.js';
import type { FaultKind } from './fault.js';

/** Milliseconds between a publish and its acknowledgement; null while there was none. */
export interface Latency {
  readonly p50: number | null;
  readonly p99: number | null;
  readonly max: number | null;
}

const LONGEST_MICROSECONDS = 3_600_000_000;
const MAX_ERROR_CODES = 100;

/**
 * What the fleet has done so far. A reading is counted as sent once, when it is first handed to a connection, and as
 * acknowledged once; what is sent again, faults, answers and status messages have counters of their own.
 */
export class Tally {
  sent = 0;
  acknowledged = 0;
  /** Readings sent once more because their connection ended before the acknowledgement. */
  resent = 0;
  /** Measurements not taken because the outbox was full. */
  skipped = 0;
  online = 0;
  connects = 0;
  connectionsLost = 0;
  readonly faults: Record<FaultKind, number> = { malformed: 0, badTimestamp: 0, duplicate: 0, disconnect: 0 };
  /** Messages with a command, and new answers of each status; `repeated` are those that had come in before. */
  readonly commands: Record<'received' | 'repeated' | Answer['status'], number> = {
    received: 0,
    repeated: 0,
    accepted: 0,
    progress: 0,
    succeeded: 0,
    failed: 0,
    rejected: 0,
    cancelled: 0,
  };
  private readonly errors = new Map<string, number>();
  private readonly latencies = createHistogram({ lowest: 1, highest: LONGEST_MICROSECONDS, figures: 3 });

  /** Counts an acknowledged reading that took `latencyMs`. */
  acknowledge(latencyMs: number): void {
    this.acknowledged += 1;
    this.latencies.record(Math.min(LONGEST_MICROSECONDS, Math.max(1, Math.round(latencyMs * 1000))));
  }

  /** Counts an answer that was not given before. */
  answer(status: Answer['status']): void {
    this.commands[status] += 1;
  }

  /** Counts an error that the service told a device. What is not a code counts as `OTHER`. */
  serviceError(code: unknown): void {
    const known = typeof code === 'string' && /^[A-Z][A-Z0-9_]{0,63}$/.test(code);
    const name = known && (this.errors.has(code) || this.errors.size < MAX_ERROR_CODES) ? code : 'OTHER';
    this.errors.set(name, (this.errors.get(name) ?? 0) + 1);
  }

  /** Errors told by the service, by code. */
  get serviceErrors(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.errors].toSorted(([a], [b]) => a.localeCompare(b)));
  }

  /** Commands answered for good. */
  get commandsAnswered(): number {
    const { succeeded, failed, rejected, cancelled } = this.commands;
    return succeeded + failed + rejected + cancelled;
  }

  get latency(): Latency {
    if (this.latencies.count === 0) return { p50: null, p99: null, max: null };
    return {
      p50: this.latencies.percentile(50) / 1000,
      p99: this.latencies.percentile(99) / 1000,
      max: this.latencies.max / 1000,
    };
  }
}
