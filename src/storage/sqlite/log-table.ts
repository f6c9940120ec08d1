import type Sqlite from 'better-sqlite3';
import { sameJson } from '../same-json.js';
import { CONFLICT, DUPLICATE, type LogRow, STORED } from './append.codec.js';

const KEY_LETTERS = { 'id-ts': 't', id: 'i', seq: 's', hash: 'h', unique: 'u' } as const;

/** The columns that readings and events do not share, with the row's values for them. */
export interface LogTableShape<Row extends LogRow> {
  readonly table: 'readings' | 'events';
  readonly ids: 'reading_ids' | 'event_ids';
  readonly content: 'values' | 'body';
  readonly columns: readonly string[];
  readonly values: (row: Row) => readonly unknown[];
}

/** Inserts into one table of the log and recognises what is there already (contract section 4, Identity). */
export class LogTable<Row extends LogRow> {
  private readonly insert: Sqlite.Statement;
  private readonly remember: Sqlite.Statement;
  private readonly forget: Sqlite.Statement;
  private readonly contentByKey: Sqlite.Statement;
  private readonly contentById: Sqlite.Statement;

  constructor(
    db: Sqlite.Database,
    private readonly shape: LogTableShape<Row>,
  ) {
    const { table, ids, content, columns } = shape;
    const own = columns.map((column) => `, "${column}"`).join('');
    const marks = columns.map(() => ', ?').join('');
    this.insert = db.prepare(
      `insert into ${table} (position, device_id, ts, key, received_at, "${content}"${own})
       values (?, ?, ?, ?, ?, ?${marks}) on conflict (device_id, ts, key) do nothing`,
    );
    this.remember = db.prepare(
      `insert into ${ids} (device_id, id, position, received_at) values (?, ?, ?, ?) on conflict (device_id, id) do nothing`,
    );
    this.forget = db.prepare(`delete from ${ids} where device_id = ? and id = ?`);
    this.contentByKey = db
      .prepare(`select "${content}" from ${table} where device_id = ? and ts = ? and key = ?`)
      .pluck();
    this.contentById = db
      .prepare(
        `select log."${content}" from ${ids} i join ${table} log using (position) where i.device_id = ? and i.id = ?`,
      )
      .pluck();
  }

  /** Stores the row at `position`, or says that an equal identity is there already. */
  append(row: Row, position: number): number {
    const { deviceId, ts, receivedAt, identity, content } = row;
    const key = `${KEY_LETTERS[identity]}:${identity === 'unique' && row.key === '' ? position : row.key}`;
    const byId = identity === 'id';
    if (byId && this.remember.run(deviceId, row.key, position, receivedAt).changes === 0) {
      return this.compare(this.contentById.get(deviceId, row.key), content);
    }
    const own = this.shape.values(row);
    if (this.insert.run(position, deviceId, ts, key, receivedAt, content, ...own).changes === 1) return STORED;
    if (byId) this.forget.run(deviceId, row.key);
    return this.compare(this.contentByKey.get(deviceId, ts, key), content);
  }

  private compare(stored: unknown, content: string): number {
    return typeof stored !== 'string' || sameJson(stored, content) ? DUPLICATE : CONFLICT;
  }
}
