import type { AdminKeyPlace } from './access/admin-key.js';
import { isLoopback } from './config/loopback.js';

/** How the log and the terminal say who is let in. No secret is in it. `external`: an external broker lets MQTT clients in. */
export function accessText(required: boolean, place: AdminKeyPlace, external: boolean): string {
  const mqtt = external ? '; MQTT as the broker lets clients in' : '';
  if (!required) return `${external ? 'open: HTTP on this machine only' : 'open: this machine only'}, no keys${mqtt}`;
  return `required; ${adminKeyText(place)}${mqtt}`;
}

function adminKeyText(place: AdminKeyPlace): string {
  if (place.kind === 'file') return `the admin key is in ${place.path}`;
  if (place.kind === 'setting') return 'the admin key is that of ADMIN_KEY';
  return 'the admin key was made earlier; if nobody has it any more, start once with ADMIN_KEY set to a new one';
}

/** What the shell puts into a request so that it is let in; nothing in open mode. */
export function loginOption(required: boolean, place: AdminKeyPlace): string {
  if (!required) return '';
  return ` -H "Authorization: Bearer ${place.kind === 'file' ? `$(cat '${place.path}')` : '$ADMIN_KEY'}"`;
}

/** One warning for each listener that is reached from a network without TLS. `behindProxy`: something in front may speak it. */
export function plainListeners(http: string, mqtt: readonly string[], behindProxy: boolean): string[] {
  const warnings = mqtt
    .filter(isPlainOnNetwork)
    .map(
      (url) => `${url} is not encrypted: the credentials of devices cross the network in the clear. Use MQTT_TLS_PORT.`,
    );
  if (behindProxy || !isPlainOnNetwork(http)) return warnings;
  return [
    `${http} is not encrypted: keys cross the network in the clear, and browsers get no session. ` +
      'Set HTTP_TLS_CERT and HTTP_TLS_KEY, or TRUST_PROXY to the proxy in front that speaks TLS.',
    ...warnings,
  ];
}

function isPlainOnNetwork(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return ['http:', 'mqtt:', 'ws:'].includes(protocol) && !isLoopback(hostname.replaceAll(/[[\]]/g, ''));
}
