import type { Tags } from '../common/access.js';
import { formatTime } from '../common/clock.js';
import type { ApiKey } from './key.js';

/** An API key as the API shows it: never the key, nor its hash. */
export interface KeyResource {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly tags: Tags | null;
  readonly createdAt: string;
  /** The id of the key that made it; `start` where that was the first start, or ADMIN_KEY. */
  readonly createdBy: string;
  readonly expiresAt: string | null;
}

export function keyResource({ id, name, scopes, tags, createdAt, createdBy, expiresAt }: ApiKey): KeyResource {
  return {
    id,
    name,
    scopes,
    tags,
    createdAt: formatTime(createdAt),
    createdBy,
    expiresAt: expiresAt === null ? null : formatTime(expiresAt),
  };
}
