import { Injectable } from '@nestjs/common';
import type { Actor } from '../common/access.js';
import { HttpErrors } from '../common/http.errors.js';
import { hashOf, newSecret } from '../common/secrets.js';
import { AccessMode } from '../config/access.mode.js';
import type { ApiKey } from './key.js';
import { KeyRing } from './key-ring.js';
import { LoginService } from './login.service.js';
import { type Session, SessionRepository } from './session.repository.js';

/** How long a session lasts, in milliseconds. */
const SESSION_MS = 12 * 3_600_000;

/** A valid session, and the key that it was made with. */
export interface OpenSession extends Session {
  readonly key: ApiKey;
}

/** Sessions of people in a browser. Each is as good as the key that it was made with, and ends with it. */
@Injectable()
export class SessionService {
  constructor(
    private readonly sessions: SessionRepository,
    private readonly logins: LoginService,
    private readonly keys: KeyRing,
    private readonly mode: AccessMode,
  ) {}

  /** The key that a session may be made with, or null where it is refused. Throws OPEN_MODE (409). Rejects with STORAGE_UNAVAILABLE. */
  async logIn(text: string, { ip }: Actor): Promise<ApiKey | null> {
    if (!this.mode.required) {
      throw HttpErrors.OPEN_MODE('Nobody needs a session in open mode. Set ACCESS=required first.', { status: 409 });
    }
    return this.logins.key(text, ip ?? '');
  }

  /** Makes a session with a valid key; `secret` belongs into a cookie. Rejects with STORAGE_UNAVAILABLE. */
  async open(key: ApiKey, actor: Actor): Promise<{ readonly session: OpenSession; readonly secret: string }> {
    const secret = newSecret();
    const expiresAt = Math.min(Date.now() + SESSION_MS, key.expiresAt ?? Number.POSITIVE_INFINITY);
    const session = { hash: hashOf(secret), keyId: key.id, expiresAt, key };
    await this.sessions.create(session, actor);
    return { session, secret };
  }

  /** The valid session with this secret, or null. Rejects with STORAGE_UNAVAILABLE. */
  async find(secret: string): Promise<OpenSession | null> {
    const session = await this.sessions.find(hashOf(secret));
    if (!session || session.expiresAt <= Date.now()) return null;
    const key = await this.keys.get(session.keyId);
    return key && { ...session, key };
  }

  async end(session: Session, actor: Actor): Promise<void> {
    await this.sessions.remove(session, actor);
  }
}
