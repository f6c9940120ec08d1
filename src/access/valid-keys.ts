import { MAX_TIMER_MS } from '../common/clock.js';
import { type ApiKey, isValid } from './key.js';

/** Which keys are valid now, and who wants to hear of those that are not any more. */
export class ValidKeys {
  private readonly listeners = new Set<(keyId: string) => void>();
  private keys: ReadonlyMap<string, ApiKey> = new Map();
  /** The hashes of the valid ones, by id. */
  private valid: ReadonlyMap<string, string> = new Map();
  private timer: NodeJS.Timeout | undefined;

  /** These are all keys now. Calls back for each that was valid, and is gone, expired, or has another secret. */
  update(keys: ReadonlyMap<string, ApiKey>): void {
    this.keys = keys;
    this.look();
  }

  /** Calls back with the id of every key that is not valid any more. Returns what ends it. */
  onEnd(listener: (keyId: string) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** No more calls because of time that passes. */
  stop(): void {
    clearTimeout(this.timer);
  }

  private look(): void {
    clearTimeout(this.timer);
    const before = this.valid;
    const valid = [...this.keys.values()].filter(isValid);
    this.valid = new Map(valid.map(({ id, hash }) => [id, hash]));
    const ends = valid.flatMap(({ expiresAt }) => (expiresAt === null ? [] : [expiresAt]));
    if (ends.length > 0) {
      const next = ends.reduce((first, end) => Math.min(first, end)) - Date.now();
      this.timer = setTimeout(() => this.look(), Math.min(Math.max(next, 1), MAX_TIMER_MS)).unref();
    }
    for (const [id, hash] of before) {
      if (this.valid.get(id) === hash) continue;
      for (const listener of this.listeners) listener(id);
    }
  }
}
