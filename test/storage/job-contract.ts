import { expect, it } from '@jest/globals';
import { newId } from '../../src/common/ids.js';
import { newDevice, reading, type TestDatabase } from './test-database.js';

/** What every database does with jobs and queries. */
export function itRunsJobsAndQueries(open: () => TestDatabase): void {
  const unit = (deviceId: string, metric: string) =>
    open().database.sql.insertInto('units').values({ device_id: deviceId, metric, unit: 'C' });
  const metricsOf = async (deviceId: string) => {
    const rows = await open()
      .database.point.selectFrom('units')
      .select('metric')
      .where('device_id', '=', deviceId)
      .orderBy('metric')
      .execute();
    return rows.map(({ metric }) => metric);
  };

  it('returns the changes of each statement and the rows of RETURNING', async () => {
    const deviceId = newDevice();
    const results = await open().database.write([
      unit(deviceId, 'a').compile(),
      unit(deviceId, 'b').returning(['metric', 'unit']).compile(),
      open().database.sql.updateTable('units').set({ unit: 'F' }).where('device_id', '=', deviceId).compile(),
      open().database.sql.deleteFrom('units').where('unit', '=', 'none such').compile(),
    ]);
    expect(results).toEqual([
      { rows: [], changes: 1 },
      { rows: [{ metric: 'b', unit: 'C' }], changes: 1 },
      { rows: [], changes: 2 },
      { rows: [], changes: 0 },
    ]);
  });

  it('undoes a job whole where one of its statements fails, and leaves the jobs beside it', async () => {
    const deviceId = newDevice();
    const jobs = await Promise.allSettled([
      open().database.write([unit(deviceId, 'before').compile()]),
      open().database.write([unit(deviceId, 'half').compile(), unit(deviceId, 'half').compile()]),
      open().database.write([unit(deviceId, 'after').compile()]),
    ]);
    expect(jobs.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect((jobs[1] as PromiseRejectedResult).reason).toMatchObject({ name: 'StatementError' });
    expect(await metricsOf(deviceId)).toEqual(['after', 'before']);
    expect(open().database.status).toBe('up');
  });

  it('rejects a job for its own fault only: bad SQL, a value that cannot be stored, a missing table', async () => {
    const deviceId = newDevice();
    const compiled = unit(deviceId, 'x').compile();
    for (const statement of [
      { ...compiled, sql: 'insert nonsense' },
      { ...compiled, sql: 'delete from no_such_table', parameters: [] },
      { ...compiled, parameters: [] },
      { ...compiled, parameters: [deviceId, null, 'C'] },
    ]) {
      await expect(open().database.write([statement])).rejects.toMatchObject({ name: 'StatementError' });
    }
    expect(await metricsOf(deviceId)).toEqual([]);
  });

  it('refuses a parameter that is no value, without harm to what is written beside it', async () => {
    const deviceId = newDevice();
    const compiled = unit(deviceId, 'x').compile();
    const jobs = await Promise.allSettled([
      open().database.write([unit(deviceId, 'beside').compile()]),
      open().database.write([{ ...compiled, parameters: [deviceId, () => 'x', 'C'] }]),
      open().database.write([{ ...compiled, parameters: [deviceId, { x: 1 }, 'C'] }]),
    ]);
    expect(jobs.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    for (const { reason } of jobs.slice(1) as PromiseRejectedResult[]) expect(reason.name).toBe('StatementError');
    expect(await metricsOf(deviceId)).toEqual(['beside']);
  });

  it('keeps bytes as they are, also those that are a view on a larger buffer', async () => {
    const topic = newId();
    const chunk = Buffer.from(Array.from({ length: 4096 }, (_, i) => i % 256));
    const { database } = open();
    await database.write([
      database.sql
        .insertInto('messages')
        .values({ topic, payload: chunk.subarray(250, 260), qos: 1, retain: 0, received_at: 1 })
        .compile(),
    ]);
    const row = await database.scan
      .selectFrom('messages')
      .selectAll()
      .where('topic', '=', topic)
      .executeTakeFirstOrThrow();
    expect([...row.payload]).toEqual([250, 251, 252, 253, 254, 255, 0, 1, 2, 3]);
  });

  it('answers an empty job at once', async () => {
    expect(await open().database.write([])).toEqual([]);
  });

  it('refuses writes and transactions through its readers, and any execution through its compiler', async () => {
    const { database } = open();
    const deviceId = newDevice();
    for (const kysely of [database.point, database.scan, database.sql]) {
      await expect(
        kysely.insertInto('units').values({ device_id: deviceId, metric: 'm', unit: 'C' }).execute(),
      ).rejects.toThrow(/only/);
      await expect(kysely.transaction().execute(() => Promise.resolve())).rejects.toThrow();
    }
    await expect(database.sql.selectFrom('units').selectAll().execute()).rejects.toThrow(/only compiles/);
    const sneaky = {
      ...unit(deviceId, 'm').compile(),
      query: database.point.selectFrom('units').selectAll().toOperationNode(),
    };
    await expect(database.point.executeQuery(sneaky)).rejects.toThrow();
    expect(await metricsOf(deviceId)).toEqual([]);
  });

  it('rejects a query that cannot run with its own error and goes on', async () => {
    const { database } = open();
    const broken = { ...database.point.selectFrom('units').selectAll().compile(), sql: 'select * from no_such_table' };
    await expect(database.point.executeQuery(broken)).rejects.toMatchObject({ name: 'StatementError' });
    expect(await database.point.selectFrom('units').selectAll().limit(1).execute()).toBeDefined();
    expect(database.status).toBe('up');
  });

  it('commits what was accepted before it closes, refuses what comes later, and has it all when it opens again', async () => {
    const deviceId = newDevice();
    const { database } = open();
    const accepted = Array.from({ length: 40 }, (_, i) =>
      database.appendReadings([reading({ deviceId, key: String(i) }), reading({ deviceId, key: `${i} again` })]),
    );
    const reopened = await open().reopen();
    expect(database.status).toBe('stopped');
    for (const verdicts of await Promise.all(accepted))
      expect(verdicts).toEqual([{ outcome: 'stored' }, { outcome: 'stored' }]);
    await expect(database.appendReadings([reading({ deviceId })])).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
    });
    await expect(database.point.selectFrom('units').selectAll().execute()).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
    });
    const { count } = await reopened.database.scan
      .selectFrom('readings')
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .where('device_id', '=', deviceId)
      .executeTakeFirstOrThrow();
    expect(count).toBe(80);
  });
}
