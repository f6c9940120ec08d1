import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { StartupError } from '../../common/startup.error.js';

/** Names of the files in the data directory. */
export const DATABASE_FILE = 'signalbox.db';
export const LOCK_FILE = 'lock.db';

/** Where the database lies in a data directory. */
export function databasePath(dataDir: string): string {
  return join(dataDir, DATABASE_FILE);
}

/** Makes the data directory (0700) where it is missing. Throws {@link StartupError} where it cannot be used. */
export function prepareDataDirectory(dataDir: string): void {
  try {
    makeDirectory(dataDir);
    if (!statSync(dataDir).isDirectory()) throw notADirectory(dataDir);
    accessSync(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    if (error instanceof StartupError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    if (code === 'EEXIST' || code === 'ENOTDIR') throw notADirectory(dataDir);
    throw notWritable(dataDir, code);
  }
}

/** Makes a directory (0700) and those above it that are missing. Node's own `recursive` never returns where a file system such as /proc answers ENOENT for a directory that is there. */
export function makeDirectory(path: string): void {
  if (existsSync(path)) return;
  makeDirectory(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

function notADirectory(dataDir: string): StartupError {
  return new StartupError(
    `The data directory ${dataDir} cannot be used: it, or a part of its path, is a file.`,
    'Set DATA_DIR to a directory (it is made when missing), or move that file away.',
  );
}

/** The data directory, or a file in it, cannot be written. `reason` is the system's code. */
export function notWritable(dataDir: string, reason: string): StartupError {
  return new StartupError(
    `The data directory ${dataDir} cannot be written (${reason}).`,
    'Give this user write access to it and make sure that the disk is neither full nor mounted read-only, or set DATA_DIR to another directory.',
  );
}
