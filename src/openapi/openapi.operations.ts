/** A header of a request that a handler reads by itself, so that no metadata tells of it. */
type RequestHeader = 'Idempotency-Key' | 'Prefer';

/** What no metadata tells of an operation. */
export interface OperationNotes {
  readonly summary: string;
  /** Answers besides the usual one, by status. */
  readonly also?: Readonly<Record<number, string>>;
  /** `page`: a list with cursors; `array`: all at once. Without it the answer is an object, described in docs/api.md. */
  readonly answer?: 'page' | 'array';
  /** Further types that the answer may have. */
  readonly answersIn?: readonly string[];
  readonly headers?: readonly RequestHeader[];
  /** The handler takes a JSON object from the request itself. */
  readonly takesObject?: true;
}

const STATUS_503 = { 503: 'The broker or the database is away.' };
const LOGIN_REFUSED = { 401: 'The key is not valid.', 403: 'The request comes from a page of another origin.' };

/** By method and path. A route that is missing here is described without; a test asks for its line. */
export const OPERATIONS: Readonly<Record<string, OperationNotes>> = {
  'GET /': { summary: 'The name, the version and where to go from here' },
  'GET /health': {
    summary: 'The state of Signalbox; details for those who may read metrics',
    also: STATUS_503,
  },
  'GET /livez': { summary: 'Whether the process lives' },
  'GET /readyz': { summary: 'Whether it is fit to be sent requests', also: STATUS_503 },
  'GET /openapi.json': { summary: 'This document', also: { 304: 'You have this version.' } },
  'GET /v1/capabilities': { summary: 'What the present broker and database promise' },

  'POST /publish': { summary: 'Publish a message over MQTT' },
  'GET /messages': { summary: 'The newest raw messages, oldest of them first', answer: 'array' },
  'GET /sensors': { summary: 'The newest readings, oldest of them first', answer: 'array' },
  'POST /control': { summary: 'Send a command, the short way', headers: ['Idempotency-Key'] },
  'GET /v1/rejects': { summary: 'What could not be stored, with the reasons', answer: 'page' },

  'POST /v1/devices/:deviceId/commands': {
    summary: 'Send a command to a device',
    also: { 202: 'The command, not yet final.' },
    headers: ['Idempotency-Key', 'Prefer'],
  },
  'GET /v1/devices/:deviceId/commands': { summary: 'Commands of a device, newest first', answer: 'page' },
  'GET /v1/commands': { summary: 'Commands, newest first', answer: 'page' },
  'GET /v1/commands/:id': { summary: 'A command; with wait as soon as it is final' },
  'POST /v1/commands/:id/cancel': {
    summary: 'Cancel a command',
    also: { 200: 'The command, cancelled before it was sent.' },
  },

  'POST /v1/devices': { summary: 'Register a device; the answer alone holds its credential' },
  'GET /v1/devices': { summary: 'Devices, newest first', answer: 'page' },
  'POST /v1/devices/import': {
    summary: 'Register many devices; a verdict for each line',
    answersIn: ['text/csv'],
  },
  'GET /v1/devices/:id': { summary: 'A device', also: { 304: 'You have this version.' } },
  'PATCH /v1/devices/:id': { summary: 'Change a device (merge patch, RFC 7396)' },
  'DELETE /v1/devices/:id': { summary: 'Remove a device with all that belongs to it' },
  'POST /v1/devices/:id/approve': { summary: 'Approve a pending device' },
  'GET /v1/devices/:id/presence': { summary: 'Whether a device is there' },
  'GET /v1/devices/:id/connect': { summary: 'Snippets that connect a device, ready to paste' },
  'GET /v1/devices/:id/credentials': { summary: 'Credentials of a device, without their secrets', answer: 'page' },
  'POST /v1/devices/:id/credentials': { summary: 'Issue a credential; the answer alone holds its secret' },
  'DELETE /v1/devices/:id/credentials/:credentialId': { summary: 'Revoke a credential; who uses it is disconnected' },

  'GET /v1/device/commands/next': {
    summary: 'The next command of the calling device; with wait as soon as there is one',
    also: { 204: 'There is none.' },
  },
  'POST /v1/device/commands/:id': { summary: 'The answer of the calling device to a command' },
  'POST /v1/device/telemetry': { summary: 'Readings of the calling device' },

  'POST /v1/api-keys': { summary: 'Make an API key; the answer alone holds it' },
  'GET /v1/api-keys': { summary: 'API keys, newest first, without their secrets', answer: 'page' },
  'GET /v1/api-keys/:id': { summary: 'An API key, without its secret' },
  'DELETE /v1/api-keys/:id': { summary: 'Revoke an API key' },
  'POST /v1/session': { summary: 'Open a session with an API key; sets the cookie', also: LOGIN_REFUSED },
  'GET /v1/session': { summary: 'Who I am' },
  'DELETE /v1/session': { summary: 'End the session' },
  'GET /v1/audit': { summary: 'Who has changed what, newest first', answer: 'page' },

  'POST /internal/mqtt/auth': { summary: 'May this client connect? (EMQX 5)', takesObject: true },
  'POST /internal/mqtt/acl': { summary: 'May this client do that? (EMQX 5)', takesObject: true },
};
