import { Injectable, Logger } from '@nestjs/common';
import { type Kysely, sql } from 'kysely';
import type { Tags } from '../common/access.js';
import { newId } from '../common/ids.js';
import { Database } from '../storage/database.js';
import type { Lane, NewReject } from '../storage/log.js';
import { newestOf } from '../storage/newest-of.js';
import type { Schema } from '../storage/schema.js';
import { carriersOf, carries, carriesByRow } from '../storage/with-tags.js';

/** Of a rejected payload so many bytes are kept. */
export const KEPT_PAYLOAD_BYTES = 1024;

/** A kept reject; a larger `seq` is a newer one. */
export interface StoredReject extends NewReject {
  readonly seq: number;
}

export interface RejectFilter {
  readonly deviceId?: readonly string[] | undefined;
  readonly code?: readonly string[] | undefined;
  /** Only those of devices that carry these. */
  readonly tags?: Tags;
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
  async list(filter: RejectFilter, before: number | null, limit: number): Promise<StoredReject[]> {
    const { deviceId, tags } = filter;
    let query = matching(this.database.scan, filter, before);
    if (tags && deviceId) query = query.where(carries(sql.ref('rejects.device_id'), tags));
    else if (tags) {
      const found = await this.newestOfCarriers(tags, filter, before, limit);
      if (found.length === 0) return [];
      query = query.where('seq', 'in', found);
    }
    const rows = await query.selectAll().orderBy('seq', 'desc').limit(limit).execute();
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

  private async newestOfCarriers(
    tags: Tags,
    filter: RejectFilter,
    before: number | null,
    limit: number,
  ): Promise<number[]> {
    const { scan } = this.database;
    const newestFirst = matching(scan, filter, before).select('seq').orderBy('seq', 'desc');
    const ofCarriers = matching(scan, filter, before).where('device_id', 'in', carriersOf(tags)).select('seq');
    const rows = await newestOf(limit, {
      among: async (most) => {
        const last = await matching(scan, {}, before).select('seq').orderBy('seq', 'desc').limit(1).executeTakeFirst();
        return newestFirst
          .where('seq', '>', (last?.seq ?? 0) - most)
          .where(carriesByRow(sql.ref('rejects.device_id'), tags))
          .limit(limit)
          .execute();
      },
      hasMoreThan: async (most) => (await ofCarriers.offset(most).limit(1).executeTakeFirst()) !== undefined,
      // As an expression, so that no walk through the rows of all devices is chosen.
      all: () =>
        ofCarriers
          .orderBy(sql`seq + 0`, 'desc')
          .limit(limit)
          .execute(),
    });
    return rows.map(({ seq }) => seq);
  }
}

function matching(reader: Kysely<Schema>, { deviceId, code }: RejectFilter, before: number | null) {
  let query = reader.selectFrom('rejects');
  if (deviceId) query = query.where('device_id', 'in', deviceId);
  if (code) query = query.where('code', 'in', code);
  return before === null ? query : query.where('seq', '<', before);
}
