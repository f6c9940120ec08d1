import { Injectable } from '@nestjs/common';
import { type Kysely, sql } from 'kysely';
import type { Tags } from '../common/access.js';
import type { Json } from '../common/json.js';
import { pagesBySize, type Place } from '../common/page-by-size.js';
import { Database } from '../storage/database.js';
import type { Lane, NewReading, Verdict } from '../storage/log.js';
import { newestOf } from '../storage/newest-of.js';
import type { ReadingTable, Schema } from '../storage/schema.js';
import { carriersOf, carries, carriesByRow } from '../storage/with-tags.js';

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

const PLACE = ['position as key', sql<number>`length("values")`.as('size')] as const;
const COLUMNS = ['position', 'device_id', 'topic', 'values', 'ts', 'received_at'] as const;

/** The readings in the log. Without a device "newest" means stored last, with one it means the newest `ts`. */
@Injectable()
export class ReadingRepository {
  constructor(private readonly database: Database) {}

  /** Appends readings in the order given; one verdict per reading, after the commit. */
  append(readings: readonly NewReading[], lane: Lane): Promise<Verdict[]> {
    return this.database.appendReadings(readings, lane);
  }

  /** The places in the log of the newest readings, oldest of them first; with `tags` only those of devices that carry them. */
  async newest(limit: number, deviceId: string | null, tags: Tags | null): Promise<Place[]> {
    if (tags !== null && deviceId === null) return (await this.newestOfCarriers(limit, tags)).toReversed();
    let query = newestFirst(limit <= POINT_LIMIT ? this.database.point : this.database.scan, limit, deviceId);
    if (tags !== null) query = query.where(carries(sql`${deviceId}`, tags));
    return (await query.select(PLACE).execute()).toReversed();
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

  private newestOfCarriers(limit: number, tags: Tags): Promise<Place[]> {
    const { scan } = this.database;
    const ofCarriers = scan.selectFrom('readings').where('device_id', 'in', carriersOf(tags));
    return newestOf(limit, {
      among: async (most) => {
        const last = await newestFirst(scan, 1, null).select('position').executeTakeFirst();
        return newestFirst(scan, limit, null)
          .where('position', '>', (last?.position ?? 0) - most)
          .where(carriesByRow(sql.ref('readings.device_id'), tags))
          .select(PLACE)
          .execute();
      },
      hasMoreThan: async (most) =>
        (await ofCarriers.select('position').offset(most).limit(1).executeTakeFirst()) !== undefined,
      // As an expression, so that the rows of these devices are sorted instead of walking through the rows of all.
      all: () =>
        ofCarriers
          .select(PLACE)
          .orderBy(sql`position + 0`, 'desc')
          .limit(limit)
          .execute(),
    });
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
