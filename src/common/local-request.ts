import type { IncomingHttpHeaders } from 'node:http';

const FORWARDING = /^(forwarded|x-forwarded-.*|x-real-ip|via)$/;
const LOCAL_HOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i;

/** The name of the first header by which a proxy says that it passed the request on; null where there is none. */
export function forwardingHeader(headers: IncomingHttpHeaders): string | null {
  return Object.keys(headers).find((name) => FORWARDING.test(name)) ?? null;
}

/** True where a Host header names this machine: localhost, 127.0.0.1 or [::1], with or without a port. */
export function isLocalHost(host: string | undefined): boolean {
  return LOCAL_HOST.test(host ?? '');
}

/**
 * True where a page of another origin made the request: `Sec-Fetch-Site` says so, or `Origin` is not `scheme` and Host. Programs
 * send neither header, and are never cross-site.
 */
export function isCrossSite(headers: IncomingHttpHeaders, scheme: 'http' | 'https'): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  return headers.origin !== undefined && headers.origin !== `${scheme}://${headers.host}`;
}
