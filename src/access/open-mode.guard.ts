import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { HttpErrors } from '../common/http.errors.js';
import { AccessMode } from '../config/access.mode.js';
import { forwardingHeader, isCrossSite, isLocalHost } from '../common/local-request.js';

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Open mode is for programs on this machine only. Refuses with OPEN_MODE (403) what comes through a proxy, under another
 * host name (DNS rebinding), and writes and logins that a page of another origin makes. MQTT handlers pass.
 */
@Injectable()
export class OpenModeGuard implements CanActivate {
  constructor(private readonly mode: AccessMode) {}

  canActivate(context: ExecutionContext): boolean {
    if (this.mode.required || context.getType() !== 'http') return true;
    const { headers, method, protocol } = context.switchToHttp().getRequest<FastifyRequest>();
    const forwarding = forwardingHeader(headers);
    if (forwarding !== null) {
      throw HttpErrors.OPEN_MODE(`The header ${forwarding} shows a proxy, and open mode serves this machine only.`);
    }
    if (!isLocalHost(headers.host)) {
      throw HttpErrors.OPEN_MODE(
        'Use localhost, 127.0.0.1 or [::1] as the host name: open mode serves this machine only.',
      );
    }
    // A login makes a GET one of those that change something: a device takes its next command with it.
    if ((!SAFE_METHODS.has(method) || headers.authorization !== undefined) && isCrossSite(headers, protocol)) {
      throw HttpErrors.OPEN_MODE('A page of another origin may not write here, nor log in.');
    }
    return true;
  }
}
