import type { FastifyReply } from 'fastify';
import type { DomainError } from '../common/errors.js';
import { HttpErrors } from '../common/http.errors.js';

/** What every request without a valid key is answered with, whatever is wrong with its key; sets the challenge of RFC 9110, 11.6.1. */
export function badLogin(reply: FastifyReply): DomainError {
  void reply.header('www-authenticate', 'Bearer realm="signalbox"');
  return HttpErrors.UNAUTHORIZED('Send a valid API key: Authorization: Bearer sbx_...');
}
