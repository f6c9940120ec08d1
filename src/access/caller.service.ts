import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ANYONE, type Principal } from '../common/access.js';
import { addressOf } from '../common/client-address.js';
import { HttpErrors } from '../common/http.errors.js';
import { AccessMode } from '../config/access.mode.js';
import { HttpConfig } from '../config/http.config.js';
import { isLoopback } from '../config/loopback.js';
import { type ApiKey, keyPrincipal } from './key.js';
import { LoginService } from './login.service.js';
import { isSameOrigin } from './same-origin.js';
import { isSecure, readCookie } from './session.cookie.js';
import { type OpenSession, SessionService } from './session.service.js';

const BEARER = /^bearer +(\S+) *$/i;
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** With what a user has logged in. */
export interface UserLogin {
  readonly key: ApiKey;
  /** Null: with the key itself. */
  readonly session: OpenSession | null;
}

const found = new WeakMap<FastifyRequest, UserLogin>();

/** With what the user has logged in who makes this request; null in open mode, and where nobody has. */
export function loginOf(request: FastifyRequest): UserLogin | null {
  return found.get(request) ?? null;
}

/** Who makes a request: by the key in its header Authorization or, where it has none, by the session in its cookie. */
@Injectable()
export class CallerService {
  private readonly listensLocally: boolean;

  constructor(
    private readonly logins: LoginService,
    private readonly sessions: SessionService,
    private readonly mode: AccessMode,
    { host }: HttpConfig,
  ) {
    this.listensLocally = isLoopback(host);
  }

  /** True where cookies to the client of this request must be Secure. */
  needsSecureCookie(request: FastifyRequest): boolean {
    return isSecure(request, this.listensLocally);
  }

  /**
   * The login of this request, or null. Throws FORBIDDEN where a request that writes has only a cookie, and nothing says that a
   * page of ours sent it. Rejects with STORAGE_UNAVAILABLE.
   */
  async find(request: FastifyRequest): Promise<UserLogin | null> {
    const login = await this.read(request);
    if (login) found.set(request, login);
    return login;
  }

  /** Who makes a request of a public route, as far as that can be said now: ANYONE in open mode, else whoever has logged in, or null. */
  async visitor(request: FastifyRequest): Promise<Principal | null> {
    if (!this.mode.required) return ANYONE;
    const login = await this.read(request).catch(() => null);
    return login && keyPrincipal(login.key);
  }

  private async read(request: FastifyRequest): Promise<UserLogin | null> {
    const { authorization } = request.headers;
    if (authorization !== undefined) {
      const [, text = ''] = BEARER.exec(authorization) ?? [];
      const key = await this.logins.key(text, addressOf(request));
      return key && { key, session: null };
    }
    const secret = readCookie(request, this.needsSecureCookie(request));
    const session = secret === null ? null : await this.sessions.find(secret);
    if (!session) return null;
    if (!SAFE_METHODS.has(request.method) && !isSameOrigin(request)) {
      throw HttpErrors.FORBIDDEN('With a session only a page of this very origin may write; use an API key instead.');
    }
    return { key: session.key, session };
  }
}
