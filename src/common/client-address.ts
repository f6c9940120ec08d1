import { isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';

const IPV4_IN_IPV6 = /^::ffff:(?=\d+\.)/i;

/**
 * The IP address that a request comes from: behind a proxy that is trusted (TRUST_PROXY) the one that it names, where that is an
 * address at all, else that of the connection. An IPv4 address is written as one, whatever the listener.
 */
export function addressOf({ ip, socket }: Pick<FastifyRequest, 'ip' | 'socket'>): string {
  const address = isIP(ip) === 0 ? (socket.remoteAddress ?? '') : ip;
  return address.replace(IPV4_IN_IPV6, '');
}
