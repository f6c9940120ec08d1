import { describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { describeDatabase } from './describe-database.js';
import { createSqlite } from './sqlite.js';
import { newDevice, reading } from './test-database.js';

Logger.overrideLogger(false);

describeDatabase('SQLite', createSqlite);

describe('The one writer of SQLite', () => {
  it('runs jobs and appends in the order given', async () => {
    const created = await createSqlite();
    const { database } = created;
    const deviceId = newDevice();
    await Promise.all([
      database.appendReadings([reading({ deviceId, values: '{"t":1}' })]),
      database.write([database.sql.deleteFrom('latest').where('device_id', '=', deviceId).compile()]),
      database.appendReadings([reading({ deviceId, ts: 1, values: '{"u":1}' })]),
    ]);
    const latest = await database.point
      .selectFrom('latest')
      .select('metric')
      .where('device_id', '=', deviceId)
      .execute();
    expect(latest).toEqual([{ metric: 'u' }]);
    await created.remove();
  });
});
