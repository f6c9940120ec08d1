import { Injectable } from '@nestjs/common';
import { type SelectQueryBuilder, sql } from 'kysely';
import type { CursorKey } from '../common/cursor.js';
import type { Json } from '../common/json.js';
import { pagesBySize } from '../common/page-by-size.js';
import { Database } from '../storage/database.js';
import type { Schema } from '../storage/schema.js';

/** `desc`, `asc`: by `ts`, newest or oldest first. `received`: in the order in which they were stored, oldest first. */
export type HistoryOrder = 'desc' | 'asc' | 'received';

/** Which readings of a device: `[from, to)` by `ts` in epoch milliseconds, null = no bound. */
export interface HistoryRange {
  readonly deviceId: string;
  readonly from: number | null;
  readonly to: number | null;
  readonly order: HistoryOrder;
}

/** A reading as the log has it. `id` is null where the device sent none. */
export interface HistoryReading {
  readonly position: number;
  readonly deviceId: string;
  readonly topic: string;
  readonly ts: number;
  readonly receivedAt: number;
  readonly id: string | null;
  readonly seq: number | null;
  readonly historical: boolean;
  readonly values: Json;
}

/** The newest value of a metric, and the times of its reading. */
export interface LatestValue {
  readonly metric: string;
  readonly value: Json;
  readonly ts: number;
  readonly receivedAt: number;
}

/** Rows that are looked up with one query at most. */
const MOST_PLACES = 500;
const COLUMNS = ['position', 'device_id', 'topic', 'ts', 'received_at', 'key', 'seq', 'historical', 'values'] as const;

/** What devices have sent, read back by device. */
@Injectable()
export class ReadingHistory {
  constructor(private readonly database: Database) {}

  /**
   * The readings of the range, from behind `after` (a key of {@link historyKey}) on, read as they are asked for: `expected`
   * rows at first, and never more than 1 MiB at once.
   */
  async *read(range: HistoryRange, after: CursorKey | null, expected: number): AsyncGenerator<HistoryReading> {
    let key = after;
    for (let count = Math.min(expected, MOST_PLACES); ; count = MOST_PLACES) {
      const places = await this.places(range, key, count);
      for (const wanted of pagesBySize(places)) yield* await this.rows(range.deviceId, wanted);
      if (places.length < count) return;
      const { key: position, ts } = places.at(-1)!;
      key = historyKey({ position, ts }, range.order);
    }
  }

  /** The latest values of a device by name of metric, or null where the device was never seen. */
  async latest(deviceId: string): Promise<readonly LatestValue[] | null> {
    const rows = await this.database.point
      .selectFrom('latest')
      .select(['metric', 'value', 'ts', 'received_at as receivedAt'])
      .where('device_id', '=', deviceId)
      .orderBy('metric')
      .execute();
    if (rows.length === 0 && !(await this.isKnown(deviceId))) return null;
    return rows.map((row) => ({ ...row, value: JSON.parse(row.value) as Json }));
  }

  /** True where the device has sent something or was sent a command. */
  async isKnown(deviceId: string): Promise<boolean> {
    const row = await this.database.point
      .selectFrom('devices')
      .select('id')
      .where('id', '=', deviceId)
      .executeTakeFirst();
    return row !== undefined;
  }

  /** In the range's order; `size` in characters. */
  private places(range: HistoryRange, after: CursorKey | null, count: number) {
    const { deviceId, from, to, order } = range;
    let query = this.database.scan.selectFrom('readings').where('device_id', '=', deviceId).limit(count);
    if (from !== null) query = query.where('ts', '>=', from);
    if (to !== null) query = query.where('ts', '<', to);
    query = inOrder(after === null ? query : behind(query, after, order), order);
    return query.select(['position as key', 'ts', (eb) => eb.fn<number>('length', ['values']).as('size')]).execute();
  }

  private async rows(deviceId: string, positions: readonly number[]): Promise<HistoryReading[]> {
    const rows = await this.database.scan
      .selectFrom('readings')
      .select(COLUMNS)
      .where('position', 'in', positions)
      .where('device_id', '=', deviceId)
      .execute();
    const found = new Map(rows.map((row) => [row.position, row]));
    // Retention may have taken some meanwhile.
    return positions
      .flatMap((position) => found.get(position) ?? [])
      .map((row) => ({
        position: row.position,
        deviceId: row.device_id,
        topic: row.topic,
        ts: row.ts,
        receivedAt: row.received_at,
        id: idIn(row.key),
        seq: row.seq,
        historical: row.historical === 1,
        values: JSON.parse(row.values) as Json,
      }));
  }
}

/** What a cursor keeps of the last reading of a page. */
export function historyKey({ position, ts }: Pick<HistoryReading, 'position' | 'ts'>, order: HistoryOrder): CursorKey {
  return order === 'received' ? [position] : [ts, position];
}

type Places = SelectQueryBuilder<Schema, 'readings', object>;

function behind(query: Places, after: CursorKey, order: HistoryOrder): Places {
  if (order === 'received') return query.where('position', '>', Number(after[0]));
  const [ts, position] = after as readonly [number, number];
  const comparison = order === 'desc' ? '<' : '>';
  return query
    .where('ts', order === 'desc' ? '<=' : '>=', ts)
    .where((eb) => eb(eb.refTuple('ts', 'position'), comparison, eb.tuple(ts, position)));
}

function inOrder(query: Places, order: HistoryOrder): Places {
  // As an expression, so that the rows of the device are sorted instead of walking through the rows of all devices.
  if (order === 'received') return query.orderBy(sql`position + 0`);
  return query.orderBy('ts', order).orderBy('position', order);
}

/** The id that a device sent is kept in the key of the row, behind the letter of its kind (storage's schema). */
function idIn(key: string): string | null {
  return key.startsWith('t:') || key.startsWith('i:') ? key.slice(2) : null;
}
