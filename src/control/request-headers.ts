import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import type { Principal } from '../common/access.js';
import { HttpErrors } from '../common/http.errors.js';
import type { Json } from '../common/json.js';
import { IDEMPOTENCY_KEY, type RequestKey } from './idempotency.js';
import { MAX_WAIT_S, waitSeconds } from './wait.js';

/**
 * What the header Idempotency-Key makes of a request to `path`, whose body counts as it was sent; null where there is none.
 * Throws VALIDATION_FAILED unless it is given once and has 1-255 printable characters.
 */
export function requestKeyOf({ raw, body }: FastifyRequest, path: string, caller: Principal): RequestKey | null {
  const key = idempotencyKeyOf(raw);
  return key === null ? null : { caller: caller.id, key, content: { path, body: body as Json } };
}

function idempotencyKeyOf(raw: IncomingMessage): string | null {
  const given = raw.headersDistinct['idempotency-key'];
  if (!given) return null;
  if (given.length > 1) throw badHeader('Idempotency-Key', 'REPEATED', 'Idempotency-Key may be given only once');
  const key = textOf(given[0]!);
  if (IDEMPOTENCY_KEY.test(key)) return key;
  throw badHeader('Idempotency-Key', 'MATCHES', 'Idempotency-Key must be 1 to 255 printable characters');
}

/**
 * The seconds of the preference `wait` (RFC 7240, 4.3), or null where there is none; of several the first counts, and other
 * preferences are left alone. Throws VALIDATION_FAILED unless it is whole seconds, at most 60.
 */
export function preferredWaitOf({ raw }: Pick<FastifyRequest, 'raw'>): number | null {
  const given = raw.headersDistinct['prefer']?.join(',') ?? '';
  for (const [preference] of given.matchAll(/(?:"[^"]*"|[^,"])+/g)) {
    const [name, ...value] = preference.split(';', 1)[0]!.split('=');
    if (name!.trim().toLowerCase() !== 'wait') continue;
    const seconds = waitSeconds(
      value
        .join('=')
        .trim()
        .replace(/^"(.*)"$/, '$1'),
    );
    if (seconds !== null) return seconds;
    throw badHeader('Prefer', 'BAD_WAIT', `the preference wait must be whole seconds, at most ${MAX_WAIT_S}`);
  }
  return null;
}

/** Node reads headers as Latin-1; what is UTF-8 was meant as that. */
function textOf(header: string): string {
  const bytes = Buffer.from(header, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : header;
}

function badHeader(header: string, code: string, detail: string): Error {
  return HttpErrors.VALIDATION_FAILED(detail, { errors: [{ header, detail, code }] });
}
