/** What a page may do that is shown from here: nothing, because nothing here is a page. A route that serves pages sets its own. */
const API_POLICY = "default-src 'none'; frame-ancestors 'none'";
/** A year (RFC 6797, 6.1.1). */
const HSTS = 'max-age=31536000';

const ALWAYS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': API_POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

const OVER_TLS = { ...ALWAYS, 'strict-transport-security': HSTS };

/**
 * The headers of every answer by which browsers keep to what it is: not guessed at, not framed, not read by pages of other
 * origins, not cached. Over HTTPS also that this host is to be reached so from now on. Routes may set others in their place.
 */
export function securityHeaders(overTls: boolean): Readonly<Record<string, string>> {
  return overTls ? OVER_TLS : ALWAYS;
}
