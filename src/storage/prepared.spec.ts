import { describe, expect, it } from '@jest/globals';
import { Kysely } from 'kysely';
import { ExecuteDialect, refuseAll } from './execute.dialect.js';
import { Prepared } from './prepared.js';
import type { Schema } from './schema.js';
import { SQLITE_DIALECT } from './sqlite/sqlite.dialect.js';

const sql = new Kysely<Schema>({ dialect: new ExecuteDialect(SQLITE_DIALECT, refuseAll) });

describe('a prepared statement', () => {
  it('is the same as one that was compiled with these values, whatever their order', () => {
    const rename = ({ id, link }: { id: string; link: 'native' | 'foreign' }) =>
      sql.updateTable('devices').set({ link }).where('id', '=', id).where('link', '<>', link);
    const prepared = new Prepared(rename);
    const direct = rename({ id: 'boiler', link: 'native' }).compile();
    for (const values of [{ id: 'boiler', link: 'native' } as const, { link: 'native', id: 'boiler' } as const]) {
      const { sql: text, parameters } = prepared.with(values);
      expect({ text, parameters }).toEqual({ text: direct.sql, parameters: direct.parameters });
    }
    expect(prepared.with({ id: 'pump', link: 'foreign' }).parameters).toEqual(['foreign', 'pump', 'foreign']);
  });

  it('takes null and keeps what is the same for all calls', () => {
    const park = new Prepared(({ at }: { at: number | null }) =>
      sql.updateTable('commands').set({ next_attempt_at: at }).where('status', '=', 'SENT'),
    );
    expect(park.with({ at: null }).parameters).toEqual([null, 'SENT']);
    expect(park.with({ at: 5 }).parameters).toEqual([5, 'SENT']);
  });

  it('is built once', () => {
    let built = 0;
    const prepared = new Prepared(({ id }: { id: string }) => {
      built++;
      return sql.selectFrom('devices').selectAll().where('id', '=', id);
    });
    expect([prepared.with({ id: 'a' }), prepared.with({ id: 'b' })].map(({ parameters }) => parameters)).toEqual([
      ['a'],
      ['b'],
    ]);
    expect(built).toBe(1);
  });
});
