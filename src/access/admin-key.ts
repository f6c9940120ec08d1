import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { apiKeyText, isHashOf, newKeyId, newSecret, readApiKey } from '../common/secrets.js';
import { AccessConfig } from '../config/access.config.js';
import { AccessMode } from '../config/access.mode.js';
import { StorageConfig } from '../config/storage.config.js';
import { AdminKeyFile } from './admin-key.file.js';
import { type ApiKey, firstKey, isValid, START } from './key.js';
import { KeyRepository } from './key.repository.js';

/**
 * Where the admin key is: nowhere (`none`, open mode), in the setting ADMIN_KEY, in the file, or with those who were given it
 * (`elsewhere`). `made`: by this start; only then is its text known.
 */
export type AdminKeyPlace =
  | { readonly kind: 'none' | 'setting' | 'elsewhere' }
  | { readonly kind: 'file'; readonly path: string; readonly made: string | null };

/**
 * Sees to it that there is an admin key before anybody is let in: the one in ADMIN_KEY, in place of what an earlier start made, or
 * else, where the database has no valid one, a new one that goes into `DATA_DIR/admin.key`. Of several replicas exactly one makes it.
 */
@Injectable()
export class AdminKey implements OnApplicationBootstrap {
  private readonly logger = new Logger(AdminKey.name);
  private readonly file: AdminKeyFile;
  private found: AdminKeyPlace = { kind: 'none' };

  constructor(
    private readonly mode: AccessMode,
    private readonly config: AccessConfig,
    private readonly keys: KeyRepository,
    storage: StorageConfig,
  ) {
    this.file = new AdminKeyFile(storage.dataDir);
  }

  /** Known from the start of the application on. */
  get place(): AdminKeyPlace {
    return this.found;
  }

  /** Rejects with STORAGE_UNAVAILABLE, or a StartupError where the file cannot be written. */
  async onApplicationBootstrap(): Promise<void> {
    if (!this.mode.required) return;
    this.found = this.config.adminKey === '' ? await this.ensure() : await this.take(this.config.adminKey);
  }

  private async take(text: string): Promise<AdminKeyPlace> {
    const given = firstKey(text);
    const before = (await this.keys.all()).filter(({ id, createdBy }) => createdBy === START || id === given.id);
    const [only] = before;
    const isKept = before.length === 1 && only!.hash === given.hash && only!.createdBy === START;
    if (!isKept) await this.keys.replaceFirst(given, before);
    return { kind: 'setting' };
  }

  private async ensure(): Promise<AdminKeyPlace> {
    const admins = await this.admins();
    if (admins.length > 0) return this.find(admins);
    const [id, secret] = [newKeyId(), newSecret()];
    const text = apiKeyText(id, secret);
    await this.file.stage(id, text);
    // Where this rejects nobody knows whether it was stored, so the staged key stays for the next start.
    if (!(await this.keys.createFirst(firstKey(text)))) {
      await this.file.discard(id);
      return this.find(await this.admins());
    }
    await this.file.publish(id);
    return { kind: 'file', path: this.file.path, made: text };
  }

  private async admins(): Promise<ApiKey[]> {
    return (await this.keys.all()).filter((key) => isValid(key) && key.scopes.includes('admin'));
  }

  private async find(admins: readonly ApiKey[]): Promise<AdminKeyPlace> {
    const { path } = this.file;
    // One that an earlier start had stored and was ended before it could say so.
    for (const { id, createdBy } of admins) if (createdBy === START) await this.file.publish(id);
    const text = await this.file.read();
    const parts = readApiKey(text ?? '');
    const key = admins.find(({ id }) => id === parts?.id);
    if (key && isHashOf(key.hash, parts!.secret)) return { kind: 'file', path, made: null };
    if (text !== null) {
      this.logger.warn(
        `${path} does not hold a valid admin key: it was replaced or revoked, or the database is another one. Delete the file; ` +
          'if nobody has an admin key any more, start once with ADMIN_KEY set to a new one.',
      );
    }
    return { kind: 'elsewhere' };
  }
}
