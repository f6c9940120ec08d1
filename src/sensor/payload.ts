import { isUtf8 } from 'node:buffer';
import { HttpErrors } from '../common/http.errors.js';
import type { Json } from '../common/json.js';
import { MqttErrors } from '../mqtt/mqtt.errors.js';
import { Refusal } from './sensor.errors.js';

/** Largest payload of a message, in bytes. */
const MAX_PAYLOAD_BYTES = 256 * 1024;

const LONG_INTEGER = /\d{16}/;
const STRING_OR_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const LAST_EXACT = '9007199254740992';

/**
 * Parses the payload as JSON (RFC 8259). Numbers that a double cannot keep come out as an infinity: those beyond its range
 * (`1e999`) and integers, written without fraction and exponent, beyond 2^53. Strings, keys and depth are not checked.
 */
export function decode(payload: Buffer): Json | Refusal {
  const tooLarge = sizeRefusal(payload);
  if (tooLarge) return tooLarge;
  if (!isUtf8(payload)) {
    return new Refusal('NOT_UTF8', 'The payload is not valid UTF-8. Send JSON text encoded as UTF-8.');
  }
  const text = payload.toString('utf8');
  try {
    const value = JSON.parse(text) as Json;
    // JSON.parse rounds: 9007199254740993 becomes ...992, so the digits decide.
    return LONG_INTEGER.test(text) ? (JSON.parse(markInexact(text)) as Json) : value;
  } catch {
    return notJson(text);
  }
}

/**
 * Parses a request's payload as leniently as what devices publish, so that each reading of an array is judged alone. Throws
 * PAYLOAD_TOO_LARGE and BAD_JSON.
 */
export function readable(payload: Buffer): Json {
  const document = decode(payload);
  if (!(document instanceof Refusal)) return document;
  throw document.code === 'PAYLOAD_TOO_LARGE'
    ? MqttErrors.PAYLOAD_TOO_LARGE(document.detail)
    : HttpErrors.BAD_JSON(document.detail);
}

/** Says that the payload is too large, or null where it is not. */
export function sizeRefusal(payload: Buffer): Refusal | null {
  if (payload.length <= MAX_PAYLOAD_BYTES) return null;
  const detail = `The payload has ${payload.length} bytes; the most is ${MAX_PAYLOAD_BYTES}. Send it in several messages.`;
  return new Refusal('PAYLOAD_TOO_LARGE', detail);
}

function markInexact(text: string): string {
  return text.replace(STRING_OR_NUMBER, (token) => (isInexact(token) ? '1e999' : token));
}

function isInexact(token: string): boolean {
  if (token.startsWith('"') || /[.eE]/.test(token)) return false;
  const digits = token.startsWith('-') ? token.slice(1) : token;
  return digits.length > LAST_EXACT.length || (digits.length === LAST_EXACT.length && digits > LAST_EXACT);
}

function notJson(text: string): Refusal {
  if (text.trim() === '') {
    return new Refusal('NOT_JSON', 'The payload is empty. Send JSON, for example {"temperature": 21.5}.');
  }
  if (text.startsWith('\uFEFF')) {
    return new Refusal('NOT_JSON', 'The payload starts with a byte order mark. Send the JSON text without it.');
  }
  if (text.includes('\0')) {
    return new Refusal(
      'NOT_JSON',
      'The payload contains a zero byte. Send only the JSON text, without the terminator of the string or the rest of the buffer.',
    );
  }
  return new Refusal(
    'NOT_JSON',
    'The payload is not JSON. Names and texts need double quotes, and NaN, Infinity and a trailing comma are not allowed; a good one is {"temperature": 21.5}.',
  );
}
