/** What an example request is about. */
export interface Subject {
  readonly deviceId: string;
  readonly commandId: string;
}

/**
 * A request to a route that succeeds where it is let in. `status`: what it may be answered with then. `hidden`: what a key is
 * answered that is limited to other devices, `limited` one that is limited to this one; default 404, and as any other key.
 */
export interface Example {
  readonly path: (subject: Subject) => string;
  readonly body?: (subject: Subject) => object;
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

const plain = (path: string, status = OK): Example => ({ path: () => path, status, hidden: status });

/** One for each route: a new route fails the matrix until it has one. */
export const EXAMPLES: Readonly<Record<string, Example>> = {
  'GET /': plain('/'),
  'GET /health': plain('/health'),
  'GET /livez': plain('/livez'),
  'GET /readyz': plain('/readyz'),
  'GET /v1/capabilities': plain('/v1/capabilities'),
  'POST /publish': {
    path: () => '/publish',
    body: () => ({ topic: 'demo/matrix', message: 'hello' }),
    status: OK,
    limited: REFUSED,
    hidden: REFUSED,
  },
  'GET /messages': { ...plain('/messages'), limited: REFUSED, hidden: REFUSED },
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
  'GET /v1/devices/:deviceId/commands': { path: ({ deviceId }) => `/v1/devices/${deviceId}/commands`, status: OK },
  'GET /v1/commands/:id': { path: ({ commandId }) => `/v1/commands/${commandId}`, status: OK },
  'POST /v1/commands/:id/cancel': {
    path: ({ commandId }) => `/v1/commands/${commandId}/cancel`,
    status: [200, 202, 409],
  },
  'GET /v1/devices/:id/presence': { path: ({ deviceId }) => `/v1/devices/${deviceId}/presence`, status: OK },
  'DELETE /v1/devices/:id': { path: ({ deviceId }) => `/v1/devices/${deviceId}`, status: [204], fresh: true },
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
