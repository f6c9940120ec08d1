import { closeSync, constants, fchmodSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

/**
 * Writes a file that was not there, with its mode from the first moment on. A link in its place is not followed. Throws the
 * system's EEXIST where there is something already.
 */
export function writeNew(path: string, text: string, mode: number): void {
  const file = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  try {
    fchmodSync(file, mode); // whatever the umask
    writeSync(file, text);
    fsyncSync(file);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
}

/** Puts a file in the place of what is there, whole or not at all; of a link, in the place of the link. */
export function replace(path: string, text: string, mode: number): void {
  const beside = `${path}.${process.pid}.new`;
  rmSync(beside, { force: true });
  writeNew(beside, text, mode);
  renameSync(beside, path);
}
