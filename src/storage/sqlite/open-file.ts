import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { StartupError } from '../../common/startup.error.js';
import { DATABASE_FILE, databasePath, LOCK_FILE, notWritable } from './data-directory.js';
import { migrate } from './migrate.js';
import { sqliteCode } from './sqlite-fault.js';

/** How long a start waits for a predecessor that is just ending. */
const LOCK_WAIT_MS = 1_000;
/** How long opening and reading wait for a lock inside SQLite. */
const BUSY_TIMEOUT_MS = 1_000;
const WRITER_CACHE_KIB = 32 * 1024;
const READER_CACHE_KIB = 4 * 1024;

/** The data directory held by this process; `notes` tell what was done to the file. */
export interface HeldDirectory {
  readonly lock: Sqlite.Database;
  readonly notes: readonly string[];
}

/**
 * Takes the lock on the data directory, brings its database to the present schema, and calls `open`. The lock is a file lock of
 * the kernel, so it is free again after a `kill -9`. Throws {@link StartupError} where the directory or the file cannot be used.
 */
export function holdDirectory(dataDir: string, open: () => void): HeldDirectory {
  const lock = takeLock(dataDir);
  try {
    const notes = migrate(dataDir);
    open();
    return { lock, notes };
  } catch (error) {
    lock.close();
    throw startupProblem(dataDir, DATABASE_FILE, error);
  }
}

function takeLock(dataDir: string): Sqlite.Database {
  let lock: Sqlite.Database | undefined;
  try {
    lock = new Sqlite(join(dataDir, LOCK_FILE), { timeout: LOCK_WAIT_MS });
    lock.exec('begin exclusive');
    return lock;
  } catch (error) {
    lock?.close();
    if (!sqliteCode(error).startsWith('SQLITE_BUSY')) throw startupProblem(dataDir, LOCK_FILE, error);
    throw new StartupError(
      `The data directory ${dataDir} is in use by another Signalbox process.`,
      'Stop the other process, or set DATA_DIR to a directory of its own for this one.',
    );
  }
}

function startupProblem(dataDir: string, file: string, error: unknown): unknown {
  const code = sqliteCode(error);
  if (/^SQLITE_(NOTADB|CORRUPT)/.test(code)) {
    return new StartupError(
      `The file ${join(dataDir, file)} is damaged or is no SQLite database (${code}). Nothing in it was changed.`,
      file === LOCK_FILE
        ? 'It holds no data: delete it and start again.'
        : `Put a backup in its place; or save what can be read with "sqlite3 ${file} .recover"; or, to start empty, move it aside together with ${file}-wal and ${file}-shm.`,
    );
  }
  if (code.startsWith('SQLITE_BUSY')) {
    return new StartupError(
      `The file ${join(dataDir, file)} is locked by another program.`,
      'Close the program that has it open for writing (a sqlite3 shell, a backup tool) and start again.',
    );
  }
  return code === '' ? error : notWritable(dataDir, code);
}

/** The connection that writes. `synchronous = full` is what makes a commit survive a power cut in WAL mode. */
export function openForWriting(dataDir: string): Sqlite.Database {
  const db = new Sqlite(databasePath(dataDir), { fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
  db.pragma('synchronous = full');
  db.pragma('foreign_keys = on');
  db.pragma(`cache_size = -${WRITER_CACHE_KIB}`);
  // With many devices a commit touches thousands of index pages: a longer log writes each of them back less often.
  db.pragma('wal_autocheckpoint = 4000');
  db.pragma('journal_size_limit = 67108864');
  // A thread that waits inside SQLite can be neither told to stop nor ended without a crash: the writer waits by itself.
  db.pragma('busy_timeout = 0');
  return db;
}

/** A connection that cannot write, whatever it is asked. */
export function openForReading(dataDir: string): Sqlite.Database {
  const db = new Sqlite(databasePath(dataDir), {
    readonly: true,
    fileMustExist: true,
    timeout: BUSY_TIMEOUT_MS,
  });
  db.pragma('query_only = on');
  db.pragma(`cache_size = -${READER_CACHE_KIB}`);
  return db;
}
