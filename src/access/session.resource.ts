import type { Tags } from '../common/access.js';
import { formatTime } from '../common/clock.js';
import type { UserLogin } from './caller.service.js';

/** Who has logged in, and until when that is valid (null: until the key is revoked). In open mode anybody may do everything. */
export interface SessionResource {
  readonly keyId: string | null;
  readonly name: string | null;
  readonly scopes: readonly string[];
  readonly tags: Tags | null;
  readonly expiresAt: string | null;
}

/** `login` null: open mode. */
export function sessionResource(login: UserLogin | null): SessionResource {
  if (!login) return { keyId: null, name: null, scopes: ['admin'], tags: null, expiresAt: null };
  const { id: keyId, name, scopes, tags } = login.key;
  const expiresAt = login.session?.expiresAt ?? login.key.expiresAt;
  return { keyId, name, scopes, tags, expiresAt: expiresAt === null ? null : formatTime(expiresAt) };
}
