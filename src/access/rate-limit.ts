import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Principal } from '../common/access.js';
import { AccessConfig } from '../config/access.config.js';
import { AccessErrors } from './access.errors.js';
import { RateWindows } from './rate-windows.js';

const WINDOW_S = 60;

/**
 * At most HTTP_KEY_RATE requests a minute by one key or device, in each process. The minute begins with the first request. Every
 * answer says what is left (draft-ietf-httpapi-ratelimit-headers-11).
 */
@Injectable()
export class RateLimit {
  private readonly windows = new RateWindows(WINDOW_S * 1_000);

  constructor(private readonly config: AccessConfig) {}

  /** Counts a request and says on its answer what is left. Throws RATE_LIMITED where nothing was. */
  count({ kind, id }: Principal, reply: FastifyReply): void {
    const { keyRate } = this.config;
    if (keyRate === 0 || (kind !== 'key' && kind !== 'device')) return;
    const { count, leftMs } = this.windows.count(`${kind}:${id}`, Math.floor(performance.now()));
    const seconds = Math.ceil(leftMs / 1_000);
    void reply
      .header('ratelimit-policy', `"${kind}";q=${keyRate};w=${WINDOW_S}`)
      .header('ratelimit', `"${kind}";r=${Math.max(keyRate - count, 0)};t=${seconds}`);
    if (count <= keyRate) return;
    throw AccessErrors.RATE_LIMITED(`More than ${keyRate} requests in a minute. Go on in ${seconds} s.`, {
      retryAfter: seconds,
    });
  }
}
