import { Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';
import type { Json } from '../common/json.js';
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

/** Most readings that are held in memory together: each may have 256 KiB. */
export const READINGS_AT_ONCE = 100;

const COLUMNS = ['position', 'device_id', 'topic', 'values', 'ts', 'received_at'] as const;

/** The readings in the log. Without a device "newest" means stored last, with one it means the newest `ts`. */
@Injectable()
export class ReadingRepository {
  constructor(private readonly database: Database) {}

  /** Appends readings in the order given; one verdict per reading, after the commit. */
  append(readings: readonly NewReading[], lane: Lane): Promise<Verdict[]> {
    return this.database.appendReadings(readings, lane);
  }

  /** The newest readings, oldest of them first; `limit` is at most READINGS_AT_ONCE. */
  async newest(limit: number, deviceId: string | null): Promise<StoredReading[]> {
    const rows = await newestFirst(this.database.point, limit, deviceId).select(COLUMNS).execute();
    return rows.toReversed().map(toReading);
  }

  /** The positions in the log of the newest readings, oldest of them first. */
  async newestPositions(limit: number, deviceId: string | null): Promise<number[]> {
    const rows = await newestFirst(this.database.scan, limit, deviceId).select('position').execute();
    return rows.toReversed().map(({ position }) => position);
  }

  /** The readings at `positions`, in that order and READINGS_AT_ONCE at a time; those removed meanwhile are left out. */
  async *read(positions: readonly number[]): AsyncGenerator<readonly StoredReading[]> {
    for (let i = 0; i < positions.length; i += READINGS_AT_ONCE) {
      const wanted = positions.slice(i, i + READINGS_AT_ONCE);
      const rows = await this.database.scan
        .selectFrom('readings')
        .select(COLUMNS)
        .where('position', 'in', wanted)
        .execute();
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
