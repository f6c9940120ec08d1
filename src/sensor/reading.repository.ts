import { Injectable } from '@nestjs/common';
import type { Json } from '../common/json.js';
import { Database } from '../storage/database.js';
import type { NewReading, Verdict } from '../storage/log.js';

/** A stored reading. Times in epoch milliseconds. */
export interface StoredReading {
  readonly deviceId: string;
  readonly topic: string;
  readonly values: Json;
  readonly ts: number;
  readonly receivedAt: number;
}

/** Up to this many rows are read through the connection that scans never hold up. */
const POINT_READ_ROWS = 100;

/** The readings in the log. */
@Injectable()
export class ReadingRepository {
  constructor(private readonly database: Database) {}

  /** Appends readings in the order given; one verdict per reading, after the commit. */
  append(readings: readonly NewReading[]): Promise<Verdict[]> {
    return this.database.appendReadings(readings);
  }

  /** The `limit` readings stored last, oldest of them first. */
  async last(limit: number): Promise<StoredReading[]> {
    const rows = await this.select(limit).orderBy('position', 'desc').limit(limit).execute();
    return rows.toReversed().map(toReading);
  }

  /** The `limit` newest readings of a device by `ts`, oldest of them first. */
  async newest(deviceId: string, limit: number): Promise<StoredReading[]> {
    const rows = await this.select(limit)
      .where('device_id', '=', deviceId)
      .orderBy('ts', 'desc')
      .orderBy('position', 'desc')
      .limit(limit)
      .execute();
    return rows.toReversed().map(toReading);
  }

  private select(limit: number) {
    const reader = limit <= POINT_READ_ROWS ? this.database.point : this.database.scan;
    return reader.selectFrom('readings').select(['device_id', 'topic', 'values', 'ts', 'received_at']);
  }
}

function toReading(row: {
  readonly device_id: string;
  readonly topic: string;
  readonly values: string;
  readonly ts: number;
  readonly received_at: number;
}): StoredReading {
  return {
    deviceId: row.device_id,
    topic: row.topic,
    values: JSON.parse(row.values) as Json,
    ts: row.ts,
    receivedAt: row.received_at,
  };
}
