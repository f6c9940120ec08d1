import { Injectable, Logger } from '@nestjs/common';
import { newId } from '../common/ids.js';
import { Database } from '../storage/database.js';
import type { Lane, NewReject } from '../storage/log.js';

/** Of a rejected payload so many bytes are kept. */
export const KEPT_PAYLOAD_BYTES = 1024;

/** A kept reject; a larger `seq` is a newer one. */
export interface StoredReject extends NewReject {
  readonly seq: number;
}

export interface RejectFilter {
  readonly deviceId?: readonly string[] | undefined;
  readonly code?: readonly string[] | undefined;
}

/** What could never be stored. The database keeps at most 10,000 per device and 100,000 in all, and drops the oldest. */
@Injectable()
export class RejectRepository {
  private readonly logger = new Logger('Rejects');

  constructor(private readonly database: Database) {}

  /** Keeps the rejects; resolves after the commit. One that the database refuses is reported and left out. */
  async add(rejects: readonly Omit<NewReject, 'id'>[], lane: Lane): Promise<void> {
    if (rejects.length === 0) return;
    const verdicts = await this.database.appendRejects(
      rejects.map((reject) => ({ ...reject, id: newId() })),
      lane,
    );
    for (const verdict of verdicts) {
      if (verdict.outcome === 'failed') this.logger.error(`a reject could not be kept: ${verdict.detail}`);
    }
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
}
