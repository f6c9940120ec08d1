import type pg from 'pg';
import { newId } from '../../common/ids.js';
import type { NewReject, Verdict } from '../log.js';
import type { AppendPlan, MarkedBatch } from './appender.js';
import { byteaArray, int8Array, textArray } from './binary-array.js';

const STATEMENT = `
  with mark as (insert into commit_marks (id, base) values ($1::uuid, 0) returning base)
  insert into rejects (id, device_id, topic, received_at, code, detail, payload, size)
  select r.* from mark, unnest($2::text[], $3::text[], $4::text[], $5::int8[], $6::text[], $7::text[], $8::bytea[], $9::int8[]) r`;

/** Keeps rejects; the caps on them are the database's own (migrations). */
export const REJECT_PLAN: AppendPlan<NewReject, MarkedBatch<NewReject>> = {
  pack(rows, refuse) {
    const sound = rows.filter(({ receivedAt, size }, index) => {
      if (Number.isSafeInteger(receivedAt) && Number.isSafeInteger(size)) return true;
      refuse(index, 'a number is no whole number');
      return false;
    });
    return { rows: sound, mark: newId() };
  },

  async commit(client: pg.Client, { rows, mark }): Promise<Verdict[]> {
    await client.query({
      name: 'append rejects',
      text: STATEMENT,
      values: [
        mark,
        textArray(rows.map(({ id }) => id)),
        textArray(rows.map(({ deviceId }) => deviceId)),
        textArray(rows.map(({ topic }) => topic)),
        int8Array(rows.map(({ receivedAt }) => receivedAt)),
        textArray(rows.map(({ code }) => code)),
        textArray(rows.map(({ detail }) => detail)),
        byteaArray(rows.map(({ payload }) => payload)),
        int8Array(rows.map(({ size }) => size)),
      ],
    });
    return allStored(rows.length);
  },

  recall: (_client, { rows }) => Promise.resolve(allStored(rows.length)),
};

function allStored(count: number): Verdict[] {
  return Array.from({ length: count }, () => ({ outcome: 'stored' }));
}
