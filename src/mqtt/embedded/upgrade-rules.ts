import type { IncomingMessage } from 'node:http';
import type { DomainError } from '../../common/errors.js';
import { HttpErrors } from '../../common/http.errors.js';
import { forwardingHeader, isLocalHost } from '../../common/local-request.js';

/** Where MQTT over WebSocket is, and the subprotocol that says that it is MQTT [MQTT-6.0.0-3]. */
export const WEB_SOCKET_PATH = '/mqtt';
export const SUBPROTOCOL = 'mqtt';

/** From which pages a WebSocket may be opened. */
export interface UpgradeRules {
  /** Open mode serves this machine only. */
  readonly isOpen: boolean;
  /** Origins that may connect besides our own, in lower case. */
  readonly origins: readonly string[];
  readonly isSecure: boolean;
  /** The HTTP listener, whose pages are our own too. A port of 0 is not known here. */
  readonly http: { readonly isSecure: boolean; readonly port: number };
}

type Upgrade = Pick<IncomingMessage, 'url' | 'headers' | 'rawHeaders'>;

/** Why a request may not become a WebSocket for MQTT; null where it may. Browsers always send Origin, devices never. */
export function upgradeProblem({ url, headers, rawHeaders }: Upgrade, rules: UpgradeRules): DomainError | null {
  if (rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'host').length !== 1) {
    return HttpErrors.BAD_REQUEST('A request has exactly one Host header.'); // RFC 9112, 3.2
  }
  if (rules.isOpen) {
    const forwarding = forwardingHeader(headers);
    if (forwarding !== null) {
      return HttpErrors.OPEN_MODE(`The header ${forwarding} shows a proxy, and open mode serves this machine only.`);
    }
    if (!isLocalHost(headers.host)) {
      return HttpErrors.OPEN_MODE(
        'Use localhost, 127.0.0.1 or [::1] as the host name: open mode serves this machine only.',
      );
    }
  }
  const origin = headers.origin?.toLowerCase();
  if (
    origin !== undefined &&
    !rules.origins.includes(origin) &&
    !ownOrigins(headers.host ?? '', rules).includes(origin)
  ) {
    return HttpErrors.UPGRADE_REFUSED('A page of another origin may not connect; MQTT_WS_ORIGINS says which may.');
  }
  if (url?.split('?', 1)[0] !== WEB_SOCKET_PATH) {
    return HttpErrors.NOT_FOUND(`MQTT over WebSocket is at ${WEB_SOCKET_PATH}.`);
  }
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  return offered.includes(SUBPROTOCOL)
    ? null
    : HttpErrors.BAD_REQUEST(`Offer the subprotocol ${SUBPROTOCOL} (Sec-WebSocket-Protocol).`);
}

/** Pages under the name by which we were called: of this port, and of the HTTP listener. */
function ownOrigins(host: string, { isSecure, http }: UpgradeRules): readonly string[] {
  const own = `${isSecure ? 'https' : 'http'}://${host.toLowerCase()}`;
  if (!URL.canParse(own)) return [];
  const { origin, hostname } = new URL(own);
  const page = new URL(`${http.isSecure ? 'https' : 'http'}://${hostname}:${http.port}`);
  return http.port === 0 ? [origin] : [origin, page.origin];
}
