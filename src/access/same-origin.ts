import type { FastifyRequest } from 'fastify';

/**
 * True where a browser says that a page of this origin made the request (`Sec-Fetch-Site`, `Origin`). A request that says
 * nothing of where it is from is not taken for one of ours: browsers send an Origin with everything that writes.
 */
export function isSameOrigin({ headers, protocol, host }: FastifyRequest): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin') return false;
  return headers.origin === undefined ? site !== undefined : headers.origin === `${protocol}://${host}`;
}
