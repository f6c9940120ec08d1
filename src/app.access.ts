import type { AdminKeyPlace } from './access/admin-key.js';

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
