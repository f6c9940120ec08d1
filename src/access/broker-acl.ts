import type { Principal } from '../common/access.js';
import type { Json } from '../common/json.js';
import { publishRights, subscribeRights, type Topics } from '../mqtt/topic-rights.js';

/** One rule in the form of EMQX (since 5.5); of several the first that matches decides. */
export interface AclRule {
  readonly permission: 'allow' | 'deny';
  readonly action: 'publish' | 'subscribe' | 'all';
  readonly topic: string;
}

/** What a broker says of a client; an empty text where it has nothing to say. */
export interface ClientFacts {
  readonly clientId: string;
  readonly username: string;
  readonly password: string;
  readonly address: string;
  /** CN of the certificate that the broker has verified. */
  readonly certificateName: string;
}

/** What a broker asks about a client that is connected. `topic`: a filter where it wants to subscribe. */
export interface ClientAction {
  readonly action: 'publish' | 'subscribe';
  readonly topic: string;
}

/** The rights of Signalbox's own login: every topic that does not start with `$`. */
export const OWN_ACL: readonly AclRule[] = [{ permission: 'allow', action: 'all', topic: '#' }];

/** All that a principal may do, and a last rule against everything else, because a broker asks others where none matches. */
export function aclOf(principal: Principal, topics: Topics): AclRule[] {
  const allow =
    (action: AclRule['action']) =>
    (topic: string): AclRule => ({ permission: 'allow', action, topic });
  return [
    ...publishRights(principal, topics).map(allow('publish')),
    ...subscribeRights(principal, topics).map(allow('subscribe')),
    { permission: 'deny', action: 'all', topic: '#' },
  ];
}

/**
 * The principal with what it may do through a broker elsewhere. Such a broker does not tell who makes a request on `services/#`,
 * so each is made with every right: a key that sees some devices only, or may send commands of some types only, makes none there.
 */
export function asSeenThroughBroker(principal: Principal): Principal {
  const { kind, scopes, tags } = principal;
  if (kind !== 'key') return principal;
  if (tags === null) {
    return { ...principal, scopes: new Set([...scopes].filter((scope) => !scope.startsWith('commands:send:'))) };
  }
  const raw = ['mqtt:publish', 'messages:read'].filter((scope) => scopes.has(scope) || scopes.has('admin'));
  return { ...principal, scopes: new Set(raw) };
}

/** Reads what a broker says of a client, or null where it is not in the form that docs/operations.md configures. */
export function readClientFacts(body: Json | undefined): ClientFacts | null {
  const text = textsOf(body);
  if (!text) return null;
  const [clientId, username, password] = [text('clientid'), text('username'), text('password')];
  const [address, certificateName] = [text('peerhost'), text('cert_common_name')];
  if (clientId === null || username === null || password === null || address === null || certificateName === null) {
    return null;
  }
  return clientId === '' ? null : { clientId, username, password, address, certificateName };
}

/** Reads what a client wants to do, or null likewise. */
export function readClientAction(body: Json | undefined): ClientAction | null {
  const text = textsOf(body);
  const [action, topic] = [text?.('action'), text?.('topic')];
  return (action === 'publish' || action === 'subscribe') && topic ? { action, topic } : null;
}

/** What a field says: an empty text where it is missing or null, null where it is no text at all. */
function textsOf(body: Json | undefined): ((name: string) => string | null) | null {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return null;
  return (name) => {
    const value = Object.hasOwn(body, name) ? body[name] : null;
    if (value === null || value === undefined) return '';
    return typeof value === 'string' ? value : null;
  };
}
