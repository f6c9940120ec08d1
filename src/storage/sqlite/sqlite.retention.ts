import { ScheduledRetention } from '../scheduled.retention.js';

/** Retention on SQLite. */
export class SqliteRetention extends ScheduledRetention {
  protected override removeReadings(before: number): Promise<number> {
    return this.removeFromLog('readings', before);
  }
}
