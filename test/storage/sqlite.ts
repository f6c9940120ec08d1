import { join } from 'node:path';
import { RetentionConfig } from '../../src/config/retention.config.js';
import { StorageConfig } from '../../src/config/storage.config.js';
import type { DeviceCreation } from '../../src/storage/database.js';
import { COMMIT_LIMITS, type CommitLimits } from '../../src/storage/group-commit.js';
import { SqliteDatabase } from '../../src/storage/sqlite/sqlite.database.js';
import { SqliteRetention } from '../../src/storage/sqlite/sqlite.retention.js';
import { temporaryDirectory } from '../support/process.js';
import type { TestDatabase } from './test-database.js';

/** A SqliteDatabase on this directory, not yet open. */
export function sqliteIn(
  dataDir: string,
  limits: Partial<CommitLimits> = {},
  creation: DeviceCreation = { createsDevices: true },
): SqliteDatabase {
  return new SqliteDatabase(Object.assign(new StorageConfig(), { dataDir }), creation, { ...COMMIT_LIMITS, ...limits });
}

/** A SqliteDatabase on this directory, open. */
export async function openSqlite(dataDir: string, limits: Partial<CommitLimits> = {}): Promise<SqliteDatabase> {
  const database = sqliteIn(dataDir, limits);
  await database.onModuleInit();
  return database;
}

/** A new SQLite database in a directory of its own. */
export async function createSqlite(): Promise<TestDatabase> {
  const directory = temporaryDirectory();
  const dataDir = join(directory.path, 'data');
  const wrap = (database: SqliteDatabase): TestDatabase => ({
    database,
    retain: (ages, now) => {
      const config = { readings: 0, commands: 0, events: 0, messages: 0, rejects: 0, ...ages };
      return new SqliteRetention(database, Object.assign(new RetentionConfig(), config)).run(now);
    },
    reopen: async () => {
      await database.close();
      return wrap(await openSqlite(dataDir));
    },
    remove: async () => {
      await database.close();
      directory.remove();
    },
  });
  return wrap(await openSqlite(dataDir));
}
