import { chmodSync, closeSync, constants, copyFileSync, fsyncSync, openSync, renameSync } from 'node:fs';
import Sqlite from 'better-sqlite3';
import { StartupError } from '../../common/startup.error.js';
import type { Migration } from '../migrations/migration.js';
import { migrations } from '../migrations/sqlite/list.js';
import { DATABASE_FILE, databasePath } from './data-directory.js';

/** "SBOX": marks the file as ours in its header (sqlite.org/fileformat2.html, offset 68). */
const APPLICATION_ID = 0x53424f58;
const MIGRATION_WAIT_MS = 5_000;

/**
 * Brings the database in `dataDir` to the newest schema in one transaction, after a copy of an existing file. Returns what was
 * done, a sentence each. Throws StartupError for a file of a newer program or of another one, and SQLite's own errors.
 */
export function migrate(dataDir: string): string[] {
  const path = databasePath(dataDir);
  const db = new Sqlite(path, { timeout: MIGRATION_WAIT_MS });
  try {
    const version = versionOf(db, path);
    const missing = migrations.filter((migration) => migration.version > version);
    if (missing.length === 0) return [];
    const notes = version === 0 ? [] : [backUp(db, path, version)];
    db.pragma('journal_mode = wal');
    db.pragma('synchronous = full');
    db.transaction(() => apply(db, missing)).exclusive();
    if (version === 0) chmodSync(path, 0o600);
    return [...notes, `${DATABASE_FILE} has schema version ${missing.at(-1)!.version} now (was ${version}).`];
  } finally {
    db.close();
  }
}

function versionOf(db: Sqlite.Database, path: string): number {
  const version = db.pragma('user_version', { simple: true }) as number;
  const tables = db.prepare('select count(*) from sqlite_schema').pluck().get() as number;
  if (tables > 0 && db.pragma('application_id', { simple: true }) !== APPLICATION_ID) {
    throw new StartupError(
      `The file ${path} is a database of another program. Nothing in it was changed.`,
      'Set DATA_DIR to another directory, or move the file away.',
    );
  }
  const newest = migrations.at(-1)!.version;
  if (version > newest) {
    throw new StartupError(
      `The file ${path} has schema version ${version}, made by a newer Signalbox; this one knows versions up to ${newest}.`,
      'Start the newer Signalbox again, or put the copy back that it made before its migration (*.backup beside the file).',
    );
  }
  return version;
}

function apply(db: Sqlite.Database, missing: readonly Migration[]): void {
  for (const { sql, version } of missing) {
    db.exec(sql);
    db.pragma(`user_version = ${version}`);
  }
  db.pragma(`application_id = ${APPLICATION_ID}`);
}

/** Copies the file beside itself; the name appears only once the copy is whole and on disk. */
function backUp(db: Sqlite.Database, path: string, version: number): string {
  db.pragma('wal_checkpoint(truncate)');
  const backup = `${path}.v${version}.backup`;
  const partial = `${backup}.partial`;
  try {
    copyFileSync(path, partial, constants.COPYFILE_FICLONE);
    const file = openSync(partial, 'r');
    fsyncSync(file);
    closeSync(file);
    renameSync(partial, backup);
  } catch (error) {
    throw new StartupError(
      `The copy ${backup} that is made before a migration could not be written: ${String(error)}. Nothing was changed.`,
      'Make room on the disk (as much as the database file takes) and start again.',
    );
  }
  return `A copy of the database as it was is in ${backup}.`;
}
