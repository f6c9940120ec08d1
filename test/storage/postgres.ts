import { RetentionConfig } from '../../src/config/retention.config.js';
import { COMMIT_LIMITS, type CommitLimits } from '../../src/storage/group-commit.js';
import { PostgresDatabase } from '../../src/storage/postgres/postgres.database.js';
import { PostgresRetention } from '../../src/storage/postgres/postgres.retention.js';
import { type Postgres, query } from '../support/postgres.js';
import type { TestDatabase } from './test-database.js';

/** A PostgresDatabase at this URL, open. */
export async function openPostgres(
  url: string,
  limits: Partial<CommitLimits> = {},
  exclusive = false,
): Promise<PostgresDatabase> {
  const database = new PostgresDatabase(url, { exclusive }, { ...COMMIT_LIMITS, ...limits });
  await database.onModuleInit();
  return database;
}

/** Retention of these ages (ms, 0 = for ever) in the database at this URL. */
export function retentionAt(
  url: string,
  database: PostgresDatabase,
  ages: Partial<RetentionConfig>,
): PostgresRetention {
  const config = { readings: 0, commands: 0, events: 0, messages: 0, rejects: 0, audit: 0, ...ages };
  return new PostgresRetention(database, Object.assign(new RetentionConfig(), config), url);
}

/** A new database on this server. */
export async function createPostgres(server: Postgres): Promise<TestDatabase> {
  const url = await server.createDatabase();
  const wrap = (database: PostgresDatabase): TestDatabase => ({
    database,
    retain: (ages, now) => retentionAt(url, database, ages).run(now),
    reopen: async () => {
      await database.close();
      return wrap(await openPostgres(url));
    },
    remove: async () => {
      await database.close();
      await query(server.url('postgres'), `drop database ${new URL(url).pathname.slice(1)} with (force)`);
    },
  });
  return wrap(await openPostgres(url));
}
