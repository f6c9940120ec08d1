import type Sqlite from 'better-sqlite3';
import type { ReadingRow } from './append.codec.js';

interface LatestValue {
  ts: number;
  receivedAt: number;
  value: unknown;
}

/** The newest value of each metric among the rows of one transaction, written in one go: a busy device costs one upsert, not one a row. */
export class LatestBuffer {
  private readonly devices = new Map<string, Map<string, LatestValue>>();
  private readonly upsert: Sqlite.Statement;

  constructor(db: Sqlite.Database) {
    this.upsert = db.prepare(
      `insert into latest (device_id, metric, ts, received_at, value) values (?, ?, ?, ?, ?)
       on conflict (device_id, metric) do update
       set ts = excluded.ts, received_at = excluded.received_at, value = excluded.value
       where excluded.ts > latest.ts`,
    );
  }

  /** Takes the metrics of a stored row; of two with the same `ts` the first stays. Throws where they are no JSON object. */
  offer({ deviceId, ts, receivedAt, content, metrics }: ReadingRow): void {
    const values = parseObject(metrics ?? content);
    let known = this.devices.get(deviceId);
    if (!known) this.devices.set(deviceId, (known = new Map()));
    for (const metric of Object.keys(values)) {
      const value = values[metric];
      if (value === null) continue;
      const entry = known.get(metric);
      if (!entry) known.set(metric, { ts, receivedAt, value });
      else if (ts > entry.ts) {
        entry.ts = ts;
        entry.receivedAt = receivedAt;
        entry.value = value;
      }
    }
  }

  /** Writes what was taken and forgets it. */
  flush(): void {
    for (const [deviceId, metrics] of this.devices) {
      for (const [metric, { ts, receivedAt, value }] of metrics) {
        this.upsert.run(deviceId, metric, ts, receivedAt, JSON.stringify(value));
      }
    }
    this.devices.clear();
  }

  /** Forgets what was taken. */
  clear(): void {
    this.devices.clear();
  }
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // SyntaxError would quote the text, and this message is shown to others.
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new TypeError('the values are no JSON object');
  }
  return value as Record<string, unknown>;
}
