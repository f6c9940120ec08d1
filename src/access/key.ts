import type { Principal, Tags } from '../common/access.js';

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

/** Whoever has shown this key. */
export function keyPrincipal({ id, scopes, tags }: ApiKey): Principal {
  return { kind: 'key', id, scopes: new Set(scopes), tags };
}
