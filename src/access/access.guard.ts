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
import { addressOf } from '../common/client-address.js';
import { HttpErrors } from '../common/http.errors.js';
import { isDeviceId } from '../common/ids.js';
import { endsWithLogin } from '../common/long-poll.js';
import { AccessMode } from '../config/access.mode.js';
import { CallerService } from './caller.service.js';
import { keyPrincipal } from './key.js';
import { badLogin } from './bad-login.js';
import { LoginService } from './login.service.js';
import { RateLimit } from './rate-limit.js';

/**
 * Lets a request to its route where that says who may use it (common/access.ts) and the caller is one of these, and notes who it
 * is. Throws UNAUTHORIZED (401, with a challenge) without a valid login, FORBIDDEN (403) without the scope, and to everybody on
 * a route that says nothing, and RATE_LIMITED. MQTT handlers pass: the broker has judged their messages.
 */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly mode: AccessMode,
    private readonly callers: CallerService,
    private readonly logins: LoginService,
    private readonly rates: RateLimit,
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
    identify(request, await this.callerOf(access, request, http.getResponse<FastifyReply>()));
    return true;
  }

  private async callerOf(
    access: Exclude<RouteAccess, { kind: 'public' | 'broker' }>,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<Principal> {
    if (access.kind === 'device') {
      const device = devicePrincipal(await this.deviceOf(request, reply));
      if (this.mode.required) this.rates.count(device, reply);
      return device;
    }
    const user = await this.userOf(request, reply);
    if (access.kind === 'scope' && !holds(user, access.scope)) {
      throw HttpErrors.FORBIDDEN(`This needs the scope ${access.scope}.`);
    }
    return user;
  }

  private async userOf(request: FastifyRequest, reply: FastifyReply): Promise<Principal> {
    if (!this.mode.required) return ANYONE;
    const login = await this.callers.find(request);
    if (!login) throw badLogin(reply);
    const user = keyPrincipal(login.key);
    endsWithLogin(request, (onEnd) => this.logins.followKey(user.id, onEnd));
    this.rates.count(user, reply);
    return user;
  }

  /** In open mode any secret will do. */
  private async deviceOf(request: FastifyRequest, reply: FastifyReply): Promise<string> {
    const login = readBasicLogin(request.headers.authorization);
    if (login && isDeviceId(login.user)) {
      const { user, secret } = login;
      if (!this.mode.required) return user;
      const device = await this.logins.device(user, secret, addressOf(request));
      if (device) {
        endsWithLogin(request, (onEnd) => this.logins.followDevice(device, secret, onEnd));
        return user;
      }
    }
    void reply.header('www-authenticate', 'Basic realm="devices"');
    throw HttpErrors.UNAUTHORIZED(
      'Log in with HTTP Basic: the device id as the user name, its credential as the password.',
    );
  }
}
