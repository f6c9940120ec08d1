import type { FastifyReply, FastifyRequest } from 'fastify';
import { isLocalHost } from '../common/local-request.js';

const NAME = 'signalbox';
/** Where the cookie is Secure, browsers take this name from this very host only (RFC 6265bis, 4.1.3.2). */
const SECURE_NAME = `__Host-${NAME}`;
const SECRET = /^[A-Za-z0-9]{43}$/;

/**
 * True where browsers must send the cookie over HTTPS only: everywhere but over plain HTTP to this very machine, so that on a
 * network without TLS there are no sessions at all. `listensLocally`: nobody else reaches the listener but through a proxy.
 */
export function isSecure({ protocol, host }: FastifyRequest, listensLocally: boolean): boolean {
  return protocol === 'https' || !listensLocally || !isLocalHost(host);
}

/** The secret of a session in the cookie of a request; null where there is none, or more than one. */
export function readCookie({ headers }: FastifyRequest, secure: boolean): string | null {
  const name = `${secure ? SECURE_NAME : NAME}=`;
  const values = (headers.cookie ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(name))
    .map((pair) => pair.slice(name.length));
  return values.length === 1 && SECRET.test(values[0]!) ? values[0]! : null;
}

/** Sets the cookie, for as many seconds. */
export function setCookie(reply: FastifyReply, secret: string, seconds: number, secure: boolean): void {
  void reply.header(
    'set-cookie',
    `${secure ? SECURE_NAME : NAME}=${secret}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`,
  );
}

/** Makes the browser forget the cookie. */
export function clearCookie(reply: FastifyReply, secure: boolean): void {
  setCookie(reply, '', 0, secure);
}
