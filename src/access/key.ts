import type { Principal, Tags } from '../common/access.js';
import { hashOf, readApiKey } from '../common/secrets.js';

/** An API key as it is kept. Times in epoch milliseconds; `expiresAt` null: until it is revoked. */
export interface ApiKey {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  /** It is limited to devices with these; null: all devices. */
  readonly tags: Tags | null;
  readonly hash: string;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly expiresAt: number | null;
}

/** Who makes the first admin key, as its row and the audit log have it. No key has this id. */
export const START = 'start';

/** The admin key with this text (`sbx_<id>_<secret>`) as it is kept, as one that the start makes. */
export function firstKey(text: string): ApiKey {
  const parts = readApiKey(text);
  if (!parts) throw new Error('this is no API key');
  return {
    id: parts.id,
    name: 'admin',
    scopes: ['admin'],
    tags: null,
    hash: hashOf(parts.secret),
    createdAt: Date.now(),
    createdBy: START,
    expiresAt: null,
  };
}

/** True until the key expires. */
export function isValid({ expiresAt }: ApiKey): boolean {
  return expiresAt === null || expiresAt > Date.now();
}

/** Whoever has shown this key. */
export function keyPrincipal({ id, scopes, tags }: ApiKey): Principal {
  return { kind: 'key', id, scopes: new Set(scopes), tags };
}
