import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { isPassing } from '../common/errors.js';
import { isHashOf, NO_HASH, readApiKey } from '../common/secrets.js';
import { type ApiKey, isValid } from './key.js';
import { KeyRepository } from './key.repository.js';

/** How old what is known may be, in milliseconds: news of a change comes at once, unless the connection that brings it is gone. */
const FRESH_MS = 5_000;
/** While the database is away no key can be revoked either; but that may be only so from here. */
const USABLE_MS = 60_000;

/**
 * All API keys, in memory: looking one up takes as long whether there is such a key or not, and needs no database. What is
 * revoked here is gone at once, and elsewhere as soon as the news comes, 5 s later at the latest.
 */
@Injectable()
export class KeyRing implements OnModuleDestroy {
  private keys: ReadonlyMap<string, ApiKey> = new Map();
  private readAt = Number.NEGATIVE_INFINITY;
  private stale = true;
  private reading: Promise<void> | null = null;
  private readonly end: () => void;

  constructor(private readonly repository: KeyRepository) {
    this.end = repository.onChange(() => (this.stale = true));
  }

  onModuleDestroy(): void {
    this.end();
  }

  /** The valid key with this text (`sbx_<id>_<secret>`), or null for any other text. Rejects with STORAGE_UNAVAILABLE. */
  async find(text: string | undefined): Promise<ApiKey | null> {
    const parts = readApiKey(text ?? '');
    if (!parts) return null;
    await this.refresh();
    const key = this.keys.get(parts.id);
    const matches = isHashOf(key?.hash ?? NO_HASH, parts.secret);
    return key && matches && isValid(key) ? key : null;
  }

  /** The valid key with this id, or null. Rejects with STORAGE_UNAVAILABLE. */
  async get(id: string): Promise<ApiKey | null> {
    await this.refresh();
    const key = this.keys.get(id);
    return key && isValid(key) ? key : null;
  }

  /** All keys, expired ones included. Rejects with STORAGE_UNAVAILABLE. */
  async list(): Promise<ApiKey[]> {
    await this.refresh();
    return [...this.keys.values()];
  }

  private async refresh(): Promise<void> {
    // Again where news came while it was read: what was begun before a change does not show it.
    while (this.stale || performance.now() - this.readAt > FRESH_MS) {
      try {
        await (this.reading ??= this.read().finally(() => (this.reading = null)));
      } catch (error) {
        if (isPassing(error) && performance.now() - this.readAt < USABLE_MS) return;
        throw error;
      }
    }
  }

  private async read(): Promise<void> {
    // What changes from here on is read again.
    this.stale = false;
    try {
      const keys = await this.repository.all();
      this.keys = new Map(keys.map((key) => [key.id, key]));
      this.readAt = performance.now();
    } catch (error) {
      this.stale = true;
      throw error;
    }
  }
}
