import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  ANYONE,
  devicePrincipal,
  holds,
  identify,
  type Principal,
  ROUTE_ACCESS,
  type RouteAccess,
} from '../common/access.js';
import { readBasicLogin } from '../common/basic-login.js';
import { HttpErrors } from '../common/http.errors.js';
import { isDeviceId } from '../common/ids.js';
import { AccessMode } from '../config/access.mode.js';
import { keyPrincipal } from './key.js';
import { LoginService } from './login.service.js';

const BEARER = /^bearer +(\S+) *$/i;

/**
 * Lets a request to its route where that says who may use it (common/access.ts) and the caller is one of these, and notes who it
 * is. Throws UNAUTHORIZED (401, with a challenge) without a valid login, FORBIDDEN (403) without the scope, and to everybody on
 * a route that says nothing. MQTT handlers pass: the broker has judged their messages.
 */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly mode: AccessMode,
    private readonly logins: LoginService,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http') return true;
    const access = this.reflector.getAllAndOverride<RouteAccess | undefined>(ROUTE_ACCESS, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (!access) throw HttpErrors.FORBIDDEN('Nobody may use this route.');
    if (access.kind === 'public' || access.kind === 'broker') return true;
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    if (access.kind === 'device') {
      identify(request, devicePrincipal(await this.deviceOf(request, reply)));
      return true;
    }
    const principal = await this.userOf(request, reply);
    if (!holds(principal, access.scope)) throw HttpErrors.FORBIDDEN(`This needs the scope ${access.scope}.`);
    identify(request, principal);
    return true;
  }

  /** In open mode any secret will do. */
  private async deviceOf({ headers, ip }: FastifyRequest, reply: FastifyReply): Promise<string> {
    const login = readBasicLogin(headers.authorization);
    if (login && isDeviceId(login.user)) {
      if (!this.mode.required || (await this.logins.device(login.user, login.secret, ip))) return login.user;
    }
    void reply.header('www-authenticate', 'Basic realm="devices"');
    throw HttpErrors.UNAUTHORIZED(
      'Log in with HTTP Basic: the device id as the user name, its credential as the password.',
    );
  }

  private async userOf({ headers, ip }: FastifyRequest, reply: FastifyReply): Promise<Principal> {
    if (!this.mode.required) return ANYONE;
    const [, token] = BEARER.exec(headers.authorization ?? '') ?? [];
    const key = token === undefined ? null : await this.logins.key(token, ip);
    if (key) return keyPrincipal(key);
    void reply.header('www-authenticate', 'Bearer realm="signalbox"');
    throw HttpErrors.UNAUTHORIZED('Send a valid API key: Authorization: Bearer sbx_...');
  }
}
