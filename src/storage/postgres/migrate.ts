import type pg from 'pg';
import { StartupError } from '../../common/startup.error.js';
import { migrations } from '../migrations/postgres/list.js';
import { LOCK_SPACE, LOCKS } from './log-statement.js';
import { messageOf, sqlState } from './postgres-fault.js';
import { connect, destroy } from './session.js';

const TIMEOUT_MS = 3_600_000;
const OLDEST_SERVER = 120_000;
const TAKEN = /^(42P07|42710|42723|42701|42703)$/;

/** {@link migrate} on a connection of its own. */
export async function migrateAt(url: string): Promise<string[]> {
  const client = await connect(url, {
    purpose: 'migration',
    readOnly: false,
    statementTimeoutMs: TIMEOUT_MS,
    lockTimeoutMs: TIMEOUT_MS,
  });
  try {
    return await migrate(client);
  } finally {
    destroy(client);
  }
}

/**
 * Brings the database to the newest schema in one transaction, under a lock, so that of several replicas that start at once one
 * does it and the others wait. Returns what was done, a sentence each. Throws StartupError for a database of a newer
 * program or of another one, and the server's own errors; nothing is changed then.
 */
async function migrate(client: pg.Client): Promise<string[]> {
  await checkServer(client);
  await client.query('begin');
  try {
    await client.query(`select pg_advisory_xact_lock(${LOCK_SPACE}, ${LOCKS.schema})`);
    const version = await versionOf(client);
    const missing = migrations.filter((migration) => migration.version > version);
    for (const { sql, name, version: number } of missing) {
      await client.query(sql);
      await client.query(`insert into schema_version (program, version, name) values ('signalbox', $1, $2)`, [
        number,
        name,
      ]);
    }
    await client.query('commit');
    return missing.length === 0
      ? []
      : [`The database has schema version ${missing.at(-1)!.version} now (was ${version}).`];
  } catch (error) {
    await client.query('rollback').catch(() => {});
    throw TAKEN.test(sqlState(error)) ? foreign(messageOf(error)) : error;
  }
}

async function checkServer(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ number: number; version: string; encoding: string }>(
    `select current_setting('server_version_num')::int as number, current_setting('server_version') as version,
      current_setting('server_encoding') as encoding`,
  );
  const { number, version, encoding } = rows[0]!;
  if (number < OLDEST_SERVER) {
    throw new StartupError(
      `The server is PostgreSQL ${version}, which is too old.`,
      'Use PostgreSQL 12 or newer; 15 is what Signalbox is tested with.',
    );
  }
  if (encoding !== 'UTF8') {
    throw new StartupError(
      `The database has the encoding ${encoding}, which cannot hold every text.`,
      'Make a new one: createdb --encoding=UTF8 --template=template0 <name>, and set DATABASE_URL to it.',
    );
  }
}

/** 0 for a database without our tables. */
async function versionOf(client: pg.Client): Promise<number> {
  await client.query(`create table if not exists schema_version (
    program text not null,
    version integer primary key,
    name text not null,
    applied_at timestamptz not null default now()
  )`);
  const { rows } = await client.query<{ version: number }>(
    `select coalesce(max(version), 0) as version from schema_version where program = 'signalbox'`,
  );
  const { version } = rows[0]!;
  const newest = migrations.at(-1)!.version;
  if (version > newest) {
    throw new StartupError(
      `The database has schema version ${version}, made by a newer Signalbox; this one knows versions up to ${newest}. Nothing was changed.`,
      'Start the newer Signalbox again, or restore a backup that was made before its migration.',
    );
  }
  return version;
}

function foreign(detail: string): StartupError {
  return new StartupError(
    `The database holds tables of another program under names that Signalbox needs (${detail}). Nothing was changed.`,
    'Set DATABASE_URL to a database of its own: createdb --encoding=UTF8 signalbox',
  );
}
