import { type Json, JsonError, parseJson } from '../common/json.js';

/** A status as a device, or its will, publishes it on `up/status`. `session` names the boot that it belongs to. */
export interface DeviceStatus {
  readonly online: boolean;
  readonly session: string | null;
  readonly firmware: string | null;
}

const FIELDS = new Set(['online', 'session', 'firmware']);
const MAX_TEXT_BYTES = 256;
const MAX_DEPTH = 4;

/** Reads a status; null where the payload is empty, which clears the retained one. Throws an Error that says what is wrong with it. */
export function parseStatus(payload: Uint8Array): DeviceStatus | null {
  if (payload.length === 0) return null;
  const value = parse(payload);
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new Error('A status is a JSON object, such as {"online": true, "session": "boot-7"}.');
  }
  const { online, session = null, firmware = null } = value;
  const unknown = Object.keys(value).find((key) => !FIELDS.has(key));
  if (unknown !== undefined)
    throw new Error(`A status has online, session and firmware, and not ${JSON.stringify(unknown)}.`);
  if (typeof online !== 'boolean') throw new Error('"online" must be true or false.');
  return { online, session: text('session', session), firmware: text('firmware', firmware) };
}

function parse(payload: Uint8Array): Json {
  try {
    return parseJson(payload, MAX_DEPTH);
  } catch (error) {
    if (error instanceof JsonError) throw new Error(`A status must be JSON: ${error.message}.`, { cause: error });
    throw error;
  }
}

function text(name: string, value: Json): string | null {
  if (value === null || (typeof value === 'string' && Buffer.byteLength(value) <= MAX_TEXT_BYTES)) return value;
  throw new Error(`"${name}" must be a string of at most ${MAX_TEXT_BYTES} bytes.`);
}
