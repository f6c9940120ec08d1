import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { RetentionConfig } from '../../src/config/retention.config.js';
import type { SqliteDatabase } from '../../src/storage/sqlite/sqlite.database.js';
import { SqliteRetention } from '../../src/storage/sqlite/sqlite.retention.js';
import { eventually } from '../support/eventually.js';
import { temporaryDirectory } from '../support/process.js';
import { openSqlite } from './sqlite.js';
import { reading } from './test-database.js';

Logger.overrideLogger(false);

describe('The schedule of retention', () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let database: SqliteDatabase;

  beforeEach(async () => {
    directory = temporaryDirectory();
    database = await openSqlite(join(directory.path, 'data'));
  });
  afterEach(async () => {
    await database.close();
    directory.remove();
  });

  const create = (firstRunMs: number) => {
    const ages = { readings: 60_000, commands: 0, events: 0, messages: 0, rejects: 0 };
    const config = Object.assign(new RetentionConfig(), ages);
    return new SqliteRetention(database, config, { firstRunMs, intervalMs: 20 });
  };
  const addOld = () => database.appendReadings([reading({ ts: Date.now() - 61_000 })]);
  const count = async () => (await database.point.selectFrom('readings').select('ts').execute()).length;

  it('runs by itself soon after the start, and again and again', async () => {
    const retention = create(20);
    await addOld();
    retention.onApplicationBootstrap();
    try {
      await eventually('the first run has removed it', async () => (await count()) === 0);
      await addOld();
      await eventually('a later run has removed that too', async () => (await count()) === 0);
    } finally {
      retention.onModuleDestroy();
    }
  });

  it('does not run before its time, nor after a stop', async () => {
    const [waiting, stopped] = [create(60_000), create(20)];
    await addOld();
    waiting.onApplicationBootstrap();
    stopped.onApplicationBootstrap();
    stopped.onModuleDestroy();
    const later = Date.now() + 100;
    await eventually('several runs would have been due', () => Date.now() > later);
    waiting.onModuleDestroy();
    expect(await count()).toBe(1);
  });
});
