import { Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';
import type { Json } from '../common/json.js';
import { pagesBySize, type Place } from '../common/page-by-size.js';
import { Database } from '../storage/database.js';
import type { Lane, NewReading, Verdict } from '../storage/log.js';
import type { ReadingTable, Schema } from '../storage/schema.js';

/** A stored reading. Times in epoch milliseconds. */
export interface StoredReading {
  readonly deviceId: string;
  readonly topic: string;
  readonly values: Json;
  readonly ts: number;
  readonly receivedAt: number;
}

/** Lists up to this length are look-ups and must not wait behind long ones. */
const POINT_LIMIT = 100;

const COLUMNS = ['position', 'device_id', 'topic', 'values', 'ts', 'received_at'] as const;

/** The readings in the log. Without a device "newest" means stored last, with one it means the newest `ts`. */
@Injectable()
export class ReadingRepository {
  constructor(private readonly database: Database) {}

  /** Appends readings in the order given; one verdict per reading, after the commit. */
  append(readings: readonly NewReading[], lane: Lane): Promise<Verdict[]> {
    return this.database.appendReadings(readings, lane);
  }

  /** The places in the log of the newest readings, oldest of them first. */
  async newest(limit: number, deviceId: string | null): Promise<Place[]> {
    const rows = await newestFirst(limit <= POINT_LIMIT ? this.database.point : this.database.scan, limit, deviceId)
      .select(['position as key', (eb) => eb.fn<number>('length', ['values']).as('size')])
      .execute();
    return rows.toReversed();
  }

  /** The readings at `places`, in that order and a bounded size at a time; those removed meanwhile are left out. */
  async *read(places: readonly Place[]): AsyncGenerator<readonly StoredReading[]> {
    const reader = places.length <= POINT_LIMIT ? this.database.point : this.database.scan;
    for (const wanted of pagesBySize(places)) {
      const rows = await reader.selectFrom('readings').select(COLUMNS).where('position', 'in', wanted).execute();
      const found = new Map(rows.map((row) => [row.position, row]));
      yield wanted.flatMap((position) => found.get(position) ?? []).map(toReading);
    }
  }
}

function newestFirst(reader: Kysely<Schema>, limit: number, deviceId: string | null) {
  const query = reader.selectFrom('readings').limit(limit);
  if (deviceId === null) return query.orderBy('position', 'desc');
  return query.where('device_id', '=', deviceId).orderBy('ts', 'desc').orderBy('position', 'desc');
}

function toReading(row: Pick<ReadingTable, (typeof COLUMNS)[number]>): StoredReading {
  return {
    deviceId: row.device_id,
    topic: row.topic,
    values: JSON.parse(row.values) as Json,
    ts: row.ts,
    receivedAt: row.received_at,
  };
}
