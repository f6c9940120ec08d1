import { isUtf8 } from 'node:buffer';

/** What a client says of itself with HTTP Basic (RFC 7617). */
export interface BasicLogin {
  readonly user: string;
  readonly secret: string;
}

const BASIC = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i;

/**
 * Reads the header Authorization; null where it is no login with HTTP Basic in UTF-8. The last colon divides, and not the first:
 * a device id may hold colons (a MAC address, say), a credential holds none.
 */
export function readBasicLogin(authorization: string | undefined): BasicLogin | null {
  const [, token] = BASIC.exec(authorization ?? '') ?? [];
  if (token === undefined) return null;
  const bytes = Buffer.from(token, 'base64');
  if (!isUtf8(bytes)) return null;
  const text = bytes.toString('utf8');
  const colon = text.lastIndexOf(':');
  return colon < 0 ? null : { user: text.slice(0, colon), secret: text.slice(colon + 1) };
}
