import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { FOR_DEVICES, readBasicLogin } from '../common/basic-login.js';
import { HttpErrors } from '../common/http.errors.js';
import { isDeviceId } from '../common/ids.js';

/**
 * The one place where devices without MQTT log in: on the routes that are for them, throws UNAUTHORIZED (401, with a challenge)
 * unless HTTP Basic names a device id. Any secret is accepted, because open mode, the only mode of this version, knows none.
 */
@Injectable()
export class DeviceLoginGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    if (!this.reflector.getAllAndOverride<boolean>(FOR_DEVICES, [context.getHandler(), context.getClass()]))
      return true;
    const http = context.switchToHttp();
    const login = readBasicLogin(http.getRequest<FastifyRequest>().headers.authorization);
    if (login && isDeviceId(login.user)) return true;
    void http.getResponse<FastifyReply>().header('www-authenticate', 'Basic realm="devices"');
    throw HttpErrors.UNAUTHORIZED(
      'Log in with HTTP Basic: the device id as the user name, its credential as the password.',
    );
  }
}
