import type { WireError } from './protocol.js';

const DATABASE_FAULTS =
  /^SQLITE_(BUSY|LOCKED|FULL|IOERR|CORRUPT|NOTADB|NOMEM|CANTOPEN|PROTOCOL|READONLY|PERM|INTERNAL|SCHEMA|NOLFS)(_|$)/;

/** SQLite's result code of an error, such as `SQLITE_CONSTRAINT_UNIQUE`; empty where the error did not come from SQLite. */
export function sqliteCode(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && code.startsWith('SQLITE_') ? code : '';
}

/** True where the database itself failed (full, locked, damaged, ..) and not the one statement (sqlite.org/rescode.html). */
export function isDatabaseFault(error: unknown): boolean {
  return DATABASE_FAULTS.test(sqliteCode(error));
}

/** The error as it crosses the thread. */
export function wireError(error: unknown, isUnavailable: boolean): WireError {
  const message = error instanceof Error ? error.message : String(error);
  return { unavailable: isUnavailable, code: sqliteCode(error) || 'STATEMENT', message };
}
