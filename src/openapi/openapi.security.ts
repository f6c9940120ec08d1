import type { RouteAccess } from '../common/access.js';

/** How callers show who they are. */
export const SECURITY_SCHEMES = {
  bearerKey: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'sbx_<id>_<secret>',
    description: 'An API key. The scope that an operation needs stands in x-required-scope; admin holds all of them.',
  },
  session: {
    type: 'apiKey',
    in: 'cookie',
    name: '__Host-signalbox',
    description:
      'The session of a person in a browser, opened with an API key by POST /v1/session. Over plain HTTP to this very machine the cookie is called signalbox.',
  },
  device: {
    type: 'http',
    scheme: 'basic',
    description:
      'A device: its id as the user name, its credential as the password. In open mode any password will do.',
  },
  broker: {
    type: 'http',
    scheme: 'bearer',
    description:
      'The secret of a broker that asks who may do what (MQTT_AUTH_SECRET). Without it all is denied, with status 200.',
  },
} as const;

type Scheme = keyof typeof SECURITY_SCHEMES;

/** What the description of an operation says of who may use it. */
export interface Protection {
  /** One of these is enough; `{}` stands for no login. The roles of a scheme are the scopes that it needs (OpenAPI 3.1, 4.8.30). */
  readonly security: readonly Readonly<Partial<Record<Scheme, readonly string[]>>>[];
  /** The same in a sentence. */
  readonly sentence: string;
  /** The scope, where one is needed. */
  readonly scope: string | null;
  /** The refusals that the guard may answer with. */
  readonly refusals: readonly (401 | 403)[];
}

/**
 * What a declaration that the guard reads (common/access.ts) means for callers. In open mode users need no login; a device still
 * says which one it is, and a broker is denied everything.
 */
export function protectionOf(access: RouteAccess, required: boolean): Protection {
  if (access.kind !== 'scope') return PROTECTIONS[access.kind](required);
  const { scope } = access;
  return {
    security: forUsers([scope], required),
    sentence: `Needs the scope \`${scope}\`.`,
    scope,
    refusals: [401, 403],
  };
}

const PROTECTIONS: Readonly<Record<Exclude<RouteAccess['kind'], 'scope'>, (required: boolean) => Protection>> = {
  public: () => ({ security: [], sentence: 'Needs no login.', scope: null, refusals: [] }),
  user: (required) => ({
    security: forUsers([], required),
    sentence: 'Needs an API key or a session, whatever its scopes.',
    scope: null,
    refusals: [401],
  }),
  device: () => ({
    security: [{ device: [] }],
    sentence: 'For devices, with their credential.',
    scope: null,
    refusals: [401],
  }),
  // What is wrong is denied with status 200.
  broker: () => ({ security: [{ broker: [] }], sentence: 'For a broker, with its secret.', scope: null, refusals: [] }),
};

function forUsers(scopes: readonly string[], required: boolean): Protection['security'] {
  return [...(required ? [] : [{}]), { bearerKey: scopes }, { session: scopes }];
}
