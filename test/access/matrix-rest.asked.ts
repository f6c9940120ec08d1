import type { Scope } from '../../src/common/access.js';
import type { Asked } from './matrix-rest.asker.js';
import { EXAMPLES, type Example, type Subject } from './matrix-rest.examples.js';
import type { ServedRoute } from './matrix-rest.routes.js';
import type { Login, TagWorld } from './tags-world.js';

/** The tags of the devices that the examples are about. */
export const SITE = { site: 'a' };

/** A device on the site with a command that is not sent. */
export async function newSubject(world: TagWorld, admin: Login): Promise<Subject> {
  const deviceId = await world.device(SITE);
  const path = `/v1/devices/${deviceId}/commands`;
  const { status, body, text } = await world.post<{ readonly id: string }>(admin, path, {
    type: 'ON',
    ttlMs: 3_600_000,
  });
  if (status !== 202) throw new Error(text);
  const { id: credentialId } = await world.credential(deviceId);
  const key = await world.key(['stream:read']);
  const keyText = key.authorization.slice('Bearer '.length);
  return { deviceId, commandId: body.id, credentialId, keyId: key.id, keyText };
}

/** How a route is called here. */
export const nameOf = ({ method, url }: ServedRoute) => `${method} ${url}`;
/** Of a route without an example nothing more is known than its form. */
export const exampleOf = (route: ServedRoute): Example =>
  EXAMPLES[nameOf(route)] ?? { path: ({ deviceId }) => route.url.replaceAll(/:\w+/g, deviceId), status: [] };

/** Matches every path of the route. */
export const matcherOf = ({ url }: ServedRoute) => new RegExp(`^${url.replaceAll(/:\w+/g, '[^/]+')}$`);

/** The example request to the route about this. */
export function askedOf(route: ServedRoute, about: Subject): Asked {
  const { path, body, headers = {} } = exampleOf(route);
  return { method: route.method, path: path(about), headers, ...(body && { body: body(about) }) };
}

type Verdict = 'unknown login' | 'refused' | 'not found' | 'let in';

/** What a status says of who asks. */
export function verdictOf(status: number): Verdict {
  if (status === 401) return 'unknown login';
  if (status === 403) return 'refused';
  // Where there is no route, nobody takes CSV either.
  return status === 404 || status === 415 ? 'not found' : 'let in';
}

/** The token in a header Authorization. */
export const tokenOf = (header: string) => header.slice(header.indexOf(' ') + 1);

/** Whether the route declares that this scope lets in. Of `commands:send` each example sends the type ON. */
export function letsIn(scope: string, needed: Scope): boolean {
  return scope === 'admin' || scope === needed || (needed === 'commands:send' && scope === 'commands:send:ON');
}

/** True where the scope is the needed one for some types of commands only. */
export const holdsPart = (scope: string, needed: Scope) => scope.startsWith(`${needed}:`);
