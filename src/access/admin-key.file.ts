import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { StartupError } from '../common/startup.error.js';
import { prepareDataDirectory } from '../storage/sqlite/data-directory.js';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;
const KEY_LENGTH = 64;

/**
 * `DATA_DIR/admin.key`: the bare key, for its owner alone (0600) from the first moment. No link is followed. A key is staged
 * beside it under its id until the database has it, so that a crash between the two loses no key.
 */
export class AdminKeyFile {
  readonly path: string;

  constructor(private readonly dataDir: string) {
    this.path = join(dataDir, 'admin.key');
  }

  /** The text in the file, or null where there is none that can be read, or no file but something else. */
  read(): Promise<string | null> {
    return textIn(this.path);
  }

  /** Writes the key beside the file. Throws StartupError where that cannot be. */
  async stage(id: string, key: string): Promise<void> {
    prepareDataDirectory(this.dataDir);
    try {
      const file = await open(this.staged(id), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      try {
        await file.writeFile(key);
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      throw cannotWrite(this.path, error);
    }
  }

  /** Puts a staged key in the place of whatever is there; false where none with this id is staged. Throws StartupError where that cannot be. */
  async publish(id: string): Promise<boolean> {
    try {
      await rename(this.staged(id), this.path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw cannotWrite(this.path, error);
    }
  }

  /** Removes a staged key that nobody will use. */
  async discard(id: string): Promise<void> {
    await rm(this.staged(id), { force: true });
  }

  private staged(id: string): string {
    return `${this.path}.${id}`;
  }
}

async function textIn(path: string): Promise<string | null> {
  try {
    const file = await open(path, O_RDONLY | O_NOFOLLOW);
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(KEY_LENGTH + 2), 0, KEY_LENGTH + 2, 0);
      return buffer.toString('utf8', 0, bytesRead).trimEnd();
    } finally {
      await file.close();
    }
  } catch {
    return null;
  }
}

function cannotWrite(path: string, error: unknown): StartupError {
  return new StartupError(
    `The admin key cannot be written to ${path} (${(error as NodeJS.ErrnoException).code ?? String(error)}).`,
    'Give this user write access to DATA_DIR and move away what is at that path, or set ADMIN_KEY to a key of your own.',
  );
}
