import { Injectable } from '@nestjs/common';
import { CompiledQuery } from 'kysely';
import { newId } from '../common/ids.js';
import { Database, type Statement } from '../storage/database.js';

/** Of a rejected payload so many bytes are kept. */
export const KEPT_PAYLOAD_BYTES = 1024;

/** A reject to be kept; `payload` holds at most the first 1,024 bytes, `size` the whole length. */
export interface NewReject {
  readonly deviceId: string | null;
  readonly topic: string;
  readonly receivedAt: number;
  readonly code: string;
  readonly detail: string;
  readonly payload: Uint8Array;
  readonly size: number;
}

/** A kept reject; a larger `seq` is a newer one. */
export interface StoredReject extends NewReject {
  readonly seq: number;
  readonly id: string;
}

export interface RejectFilter {
  readonly deviceId?: readonly string[] | undefined;
  readonly code?: readonly string[] | undefined;
}

/** What could never be stored. The database keeps at most 10,000 per device and 100,000 in all, and drops the oldest. */
@Injectable()
export class RejectRepository {
  private insertSql: string | null = null;

  constructor(private readonly database: Database) {}

  /** The statements that keep the rejects, one each. Compiled once, because an array may bring a thousand of them. */
  inserts(rejects: readonly NewReject[]): Statement[] {
    const sql = (this.insertSql ??= this.compileInsert());
    return rejects.map(({ deviceId, topic, receivedAt, code, detail, payload, size }) =>
      CompiledQuery.raw(sql, [newId(), deviceId, topic, receivedAt, code, detail, payload, size]),
    );
  }

  /** Newest first, only those older than `before` where it is given; at most `limit`. */
  async list({ deviceId, code }: RejectFilter, before: number | null, limit: number): Promise<StoredReject[]> {
    let query = this.database.scan.selectFrom('rejects').selectAll().orderBy('seq', 'desc').limit(limit);
    if (deviceId) query = query.where('device_id', 'in', deviceId);
    if (code) query = query.where('code', 'in', code);
    if (before !== null) query = query.where('seq', '<', before);
    const rows = await query.execute();
    return rows.map((row) => ({
      seq: row.seq,
      id: row.id,
      deviceId: row.device_id,
      topic: row.topic,
      receivedAt: row.received_at,
      code: row.code,
      detail: row.detail,
      payload: row.payload,
      size: row.size,
    }));
  }

  private compileInsert(): string {
    return this.database.sql
      .insertInto('rejects')
      .values({
        id: '',
        device_id: '',
        topic: '',
        received_at: 0,
        code: '',
        detail: '',
        payload: new Uint8Array(),
        size: 0,
      })
      .compile().sql;
  }
}
