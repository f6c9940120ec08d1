/** What an example request is about. */
export interface Subject {
  readonly deviceId: string;
  readonly commandId: string;
  readonly credentialId: string;
  /** A key of no scope that any of the routes asks for, and its text. */
  readonly keyId: string;
  readonly keyText: string;
}

/**
 * A request to a route that succeeds where it is let in. `status`: what it may be answered with then. `hidden`: what a key is
 * answered that is limited to other devices, `limited` one that is limited to this one; default 404, and as any other key.
 */
export interface Example {
  readonly path: (subject: Subject) => string;
  /** A string goes out as it is, under the type that `headers` give. */
  readonly body?: (subject: Subject) => object | string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly status: readonly number[];
  readonly limited?: readonly number[];
  readonly hidden?: readonly number[];
  /** It uses its subject up, so that each such request gets one of its own. */
  readonly fresh?: true;
}

const OK = [200];
const REFUSED = [403];
/** A repeat gets the same command, so that the queue of the device does not fill up. */
const same = (key: string) => ({ 'idempotency-key': key });

/** What only keys without limits may have the scope for. */
const UNLIMITED = { limited: REFUSED, hidden: REFUSED };
const ofDevice = (rest: string): Example => ({
  path: ({ deviceId }) => `/v1/devices/${deviceId}${rest}`,
  status: OK,
});
const plain = (path: string, status = OK): Example => ({ path: () => path, status, hidden: status });

/** One for each route: a new route fails the matrix until it has one. */
export const EXAMPLES: Readonly<Record<string, Example>> = {
  'GET /': plain('/'),
  'GET /health': plain('/health'),
  'GET /livez': plain('/livez'),
  'GET /readyz': plain('/readyz'),
  'GET /openapi.json': plain('/openapi.json'),
  'GET /v1/capabilities': plain('/v1/capabilities'),
  'POST /publish': {
    path: () => '/publish',
    body: () => ({ topic: 'demo/matrix', message: 'hello' }),
    status: OK,
    ...UNLIMITED,
  },
  'GET /messages': { ...plain('/messages'), ...UNLIMITED },
  // Nothing is told of a device that there is none of either: an empty list.
  'GET /sensors': { path: ({ deviceId }) => `/sensors?deviceId=${deviceId}`, status: OK, hidden: OK },
  'GET /v1/rejects': { path: ({ deviceId }) => `/v1/rejects?deviceId=${deviceId}`, status: OK, hidden: OK },
  'GET /v1/commands': { path: ({ deviceId }) => `/v1/commands?deviceId=${deviceId}`, status: OK, hidden: OK },
  'POST /control': {
    path: () => '/control',
    body: ({ deviceId }) => ({ command: 'ON', deviceId }),
    headers: same('control'),
    status: [202],
  },
  'POST /v1/devices/:deviceId/commands': {
    path: ({ deviceId }) => `/v1/devices/${deviceId}/commands`,
    body: () => ({ type: 'ON', ttlMs: 3_600_000 }),
    headers: same('commands'),
    status: [202],
  },
  'GET /v1/devices/:deviceId/commands': ofDevice('/commands'),
  'GET /v1/commands/:id': { path: ({ commandId }) => `/v1/commands/${commandId}`, status: OK },
  'POST /v1/commands/:id/cancel': {
    path: ({ commandId }) => `/v1/commands/${commandId}/cancel`,
    status: [200, 202, 409],
  },
  'GET /v1/devices': plain('/v1/devices'),
  'POST /v1/devices': {
    path: () => '/v1/devices',
    body: ({ deviceId }) => ({ id: `new-${deviceId}`, tags: { site: 'a' } }),
    status: [201],
    hidden: REFUSED,
    fresh: true,
  },
  // Judged line by line.
  'POST /v1/devices/import': {
    path: () => '/v1/devices/import',
    body: ({ deviceId }) => `${JSON.stringify({ id: `imported-${deviceId}`, tags: { site: 'a' } })}\n`,
    headers: { 'content-type': 'application/x-ndjson' },
    status: OK,
    hidden: OK,
  },
  'GET /v1/devices/:id': ofDevice(''),
  'PATCH /v1/devices/:id': { ...ofDevice(''), body: () => ({ name: 'matrix' }) },
  'POST /v1/devices/:id/approve': ofDevice('/approve'),
  'GET /v1/devices/:id/presence': ofDevice('/presence'),
  'GET /v1/devices/:id/connect': ofDevice('/connect'),
  'GET /v1/devices/:id/credentials': ofDevice('/credentials'),
  'POST /v1/devices/:id/credentials': { ...ofDevice('/credentials'), status: [201], fresh: true },
  'DELETE /v1/devices/:id/credentials/:credentialId': {
    path: ({ deviceId, credentialId }) => `/v1/devices/${deviceId}/credentials/${credentialId}`,
    status: [204],
    fresh: true,
  },
  'DELETE /v1/devices/:id': { ...ofDevice(''), status: [204], fresh: true },
  'GET /v1/audit': { ...plain('/v1/audit'), ...UNLIMITED },
  'GET /v1/api-keys': { ...plain('/v1/api-keys'), ...UNLIMITED },
  'POST /v1/api-keys': {
    path: () => '/v1/api-keys',
    body: () => ({ name: 'matrix', scopes: ['stream:read'] }),
    status: [201],
    ...UNLIMITED,
  },
  'GET /v1/api-keys/:id': { path: ({ keyId }) => `/v1/api-keys/${keyId}`, status: OK, ...UNLIMITED },
  'DELETE /v1/api-keys/:id': { path: ({ keyId }) => `/v1/api-keys/${keyId}`, status: [204], ...UNLIMITED, fresh: true },
  'POST /v1/session': { path: () => '/v1/session', body: ({ keyText }) => ({ key: keyText }), status: OK },
  'GET /v1/session': plain('/v1/session'),
  'DELETE /v1/session': plain('/v1/session', [204]),
  'POST /v1/device/telemetry': {
    path: () => '/v1/device/telemetry',
    body: () => ({ temperature: 21.5 }),
    status: OK,
  },
  'GET /v1/device/commands/next': { path: () => '/v1/device/commands/next', status: [200, 204] },
  'POST /v1/device/commands/:id': {
    path: ({ commandId }) => `/v1/device/commands/${commandId}`,
    body: () => ({ status: 'accepted' }),
    // 400: to a command that was never sent there is no answer.
    status: [200, 400],
  },
  'POST /internal/mqtt/auth': {
    path: () => '/internal/mqtt/auth',
    body: ({ deviceId }) => ({ username: deviceId, clientid: deviceId, password: 'x' }),
    status: OK,
  },
  'POST /internal/mqtt/acl': {
    path: () => '/internal/mqtt/acl',
    body: ({ deviceId }) => ({ username: deviceId, clientid: deviceId, action: 'publish', topic: 'demo/x' }),
    status: OK,
  },
};
