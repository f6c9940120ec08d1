import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { isPassing } from '../common/errors.js';
import { isHashOf, NO_HASH, readApiKey } from '../common/secrets.js';
import { type ApiKey, isValid } from './key.js';
import { KeyRepository } from './key.repository.js';
import { ValidKeys } from './valid-keys.js';

/** How old what is known may be, in milliseconds: news of a change comes at once, unless the connection that brings it is gone. */
const FRESH_MS = 5_000;
/** While the database is away no key can be revoked either; but that may be only so from here. */
const USABLE_MS = 60_000;
/** After news of a change that could not be read. */
const AGAIN_MS = 1_000;
/** What a text that is no key is compared as, so that it takes as long as one that is. */
const NO_KEY = { id: '', secret: '-'.repeat(43) };

/**
 * All API keys, in memory: looking one up takes as long whether there is such a key or not, and needs no database. What is
 * revoked here is gone at once, and elsewhere as soon as the news comes, 5 s later at the latest.
 */
@Injectable()
export class KeyRing implements OnModuleDestroy {
  private readonly logger = new Logger(KeyRing.name);
  private readonly valid = new ValidKeys();
  private keys: ReadonlyMap<string, ApiKey> = new Map();
  private readAt = Number.NEGATIVE_INFINITY;
  private stale = true;
  private reading: Promise<void> | null = null;
  private again: NodeJS.Timeout | undefined;
  private watch: NodeJS.Timeout | undefined;
  private readonly end: () => void;

  constructor(private readonly repository: KeyRepository) {
    this.end = repository.onChange(() => {
      this.stale = true;
      void this.catchUp();
    });
  }

  onModuleDestroy(): void {
    this.end();
    this.valid.stop();
    clearTimeout(this.again);
    clearInterval(this.watch);
  }

  /** The valid key with this text (`sbx_<id>_<secret>`), or null for any other text. Rejects with STORAGE_UNAVAILABLE. */
  async find(text: string): Promise<ApiKey | null> {
    await this.refresh();
    const { id, secret } = readApiKey(text) ?? NO_KEY;
    const key = this.keys.get(id);
    const matches = isHashOf(key?.hash ?? NO_HASH, secret);
    return key && matches && isValid(key) ? key : null;
  }

  /** The valid key with this id, or null. Rejects with STORAGE_UNAVAILABLE. */
  async get(id: string): Promise<ApiKey | null> {
    await this.refresh();
    const key = this.keys.get(id);
    return key && isValid(key) ? key : null;
  }

  /** All keys, expired ones included, in the order of their creation. Rejects with STORAGE_UNAVAILABLE. */
  async list(): Promise<ApiKey[]> {
    await this.refresh();
    return [...this.keys.values()];
  }

  /**
   * Calls back with the id of every key that is not valid any more: revoked, on whichever replica, replaced, or expired. The
   * listener must not throw. Returns what ends it.
   */
  onRevoked(listener: (keyId: string) => void): () => void {
    // News only saves time: some may be missed.
    this.watch ??= setInterval(() => void this.catchUp(), FRESH_MS).unref();
    return this.valid.onEnd(listener);
  }

  /** Whoever holds on to a key must hear of its end although nobody asks for it. */
  private async catchUp(): Promise<void> {
    clearTimeout(this.again);
    try {
      await this.refresh();
    } catch (error) {
      if (!isPassing(error)) this.logger.warn(`the API keys could not be read: ${String(error)}`);
    }
    if (this.stale) this.again = setTimeout(() => void this.catchUp(), AGAIN_MS).unref();
  }

  private async refresh(): Promise<void> {
    // What is being read now may show a change that is known to have been made; where news came meanwhile, it is read again,
    // because what was begun before a change does not show it.
    while (this.reading || this.stale || performance.now() - this.readAt > FRESH_MS) {
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
    this.valid.update(this.keys);
  }
}
