import type Sqlite from 'better-sqlite3';
import { NewestValues } from '../newest-values.js';
import type { ReadingRow } from './append.codec.js';

/** Gathers the latest values of one transaction and writes them in one go. */
export class LatestBuffer {
  private readonly newest = new NewestValues();
  private readonly upsert: Sqlite.Statement;

  constructor(db: Sqlite.Database) {
    this.upsert = db.prepare(
      `insert into latest (device_id, metric, ts, received_at, value) values (?, ?, ?, ?, ?)
       on conflict (device_id, metric) do update
       set ts = excluded.ts, received_at = excluded.received_at, value = excluded.value
       where excluded.ts > latest.ts`,
    );
  }

  /** Takes the metrics of a stored row. Throws where they are no JSON object. */
  offer(row: ReadingRow): void {
    this.newest.offer(row);
  }

  /** Writes what was taken and forgets it. */
  flush(): void {
    for (const { deviceId, metric, ts, receivedAt, value } of this.newest) {
      this.upsert.run(deviceId, metric, ts, receivedAt, value);
    }
    this.newest.clear();
  }

  /** Forgets what was taken. */
  clear(): void {
    this.newest.clear();
  }
}
