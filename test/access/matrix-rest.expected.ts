import type { RouteAccess, Scope } from '../../src/common/access.js';

/** Who may use a route: everybody, any key, keys with a scope, a device, or a broker that asks (which says itself what is wrong). */
export type Expected = 'public' | 'any key' | 'device' | 'broker' | Scope;

/** Every route of the API, with who may use it (docs/security.md), written down by hand: a wrong declaration is found here. */
export const WHO_MAY: Readonly<Record<string, Expected>> = {
  'GET /': 'public',
  'GET /health': 'public',
  'GET /livez': 'public',
  'GET /readyz': 'public',
  'GET /openapi.json': 'public',
  'POST /v1/session': 'public',

  'GET /v1/session': 'any key',
  'DELETE /v1/session': 'any key',

  'POST /internal/mqtt/auth': 'broker',
  'POST /internal/mqtt/acl': 'broker',

  'GET /v1/device/commands/next': 'device',
  'POST /v1/device/commands/:id': 'device',
  'POST /v1/device/telemetry': 'device',

  'POST /v1/api-keys': 'admin',
  'GET /v1/api-keys': 'admin',
  'GET /v1/api-keys/:id': 'admin',
  'DELETE /v1/api-keys/:id': 'admin',
  'GET /v1/audit': 'admin',

  'POST /v1/devices': 'devices:write',
  'GET /v1/devices': 'devices:read',
  'POST /v1/devices/import': 'devices:write',
  'GET /v1/devices/:id': 'devices:read',
  'PATCH /v1/devices/:id': 'devices:write',
  'DELETE /v1/devices/:id': 'devices:write',
  'POST /v1/devices/:id/approve': 'devices:write',
  'GET /v1/devices/:id/connect': 'devices:read',
  'GET /v1/devices/:id/presence': 'devices:read',
  'GET /v1/devices/:id/credentials': 'devices:read',
  'POST /v1/devices/:id/credentials': 'devices:write',
  'DELETE /v1/devices/:id/credentials/:credentialId': 'devices:write',

  'POST /control': 'commands:send',
  'POST /v1/devices/:deviceId/commands': 'commands:send',
  'POST /v1/commands/:id/cancel': 'commands:send',
  'GET /v1/devices/:deviceId/commands': 'commands:read',
  'GET /v1/commands': 'commands:read',
  'GET /v1/commands/:id': 'commands:read',

  'GET /sensors': 'telemetry:read',
  'GET /v1/rejects': 'telemetry:read',
  'POST /publish': 'mqtt:publish',
  'GET /messages': 'messages:read',
  'GET /v1/capabilities': 'metrics:read',
};

/** What a route declares, in these words. */
export function inWords(access: RouteAccess | null): Expected | null {
  if (access === null) return null;
  if (access.kind === 'scope') return access.scope;
  return access.kind === 'user' ? 'any key' : access.kind;
}
