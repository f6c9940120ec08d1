import { type Json, JsonError, parseJson } from '../common/json.js';
import type { IdentityKind } from '../storage/log.js';
import { identityOf } from './identity.js';
import { decode, sizeRefusal } from './payload.js';
import { isPrintable } from './printable.js';
import { quoted, Refusal, type RejectCode } from './sensor.errors.js';
import { readTimestamp, type TimeBounds } from './timestamp.js';
import { isObject } from './values.js';

/** An event that may be stored; the fields are those of storage's NewEvent. */
export interface ParsedEvent {
  readonly ts: number;
  readonly identity: IdentityKind;
  readonly key: string;
  readonly body: string;
}

const CODES: Readonly<Record<JsonError['reason'], RejectCode>> = {
  NOT_UTF8: 'NOT_UTF8',
  NOT_JSON: 'NOT_JSON',
  TOO_DEEP: 'TOO_DEEP',
  FORBIDDEN_KEY: 'FORBIDDEN_KEY',
  BAD_STRING: 'BAD_VALUE',
  NOT_FINITE: 'NUMBER_TOO_LARGE',
};

/**
 * Reads an event: any JSON, kept verbatim. In an object `id` (a string) and `ts` (a number or a string) identify it as they
 * do a reading; of another type they are content like everything else. Never throws.
 */
export function parseEvent(payload: Buffer, type: string, bounds: TimeBounds): ParsedEvent | Refusal {
  if (!isPrintable(type) || type.includes(',')) {
    return new Refusal(
      'BAD_EVENT_TYPE',
      `The event type ${quoted(type)} must be 1 to 128 printable characters without a comma.`,
    );
  }
  const body = readBody(payload);
  if (body instanceof Refusal) return body;
  const { id, ts: sentTs } = isObject(body) ? body : {};
  if (typeof id === 'string' && !isPrintable(id)) {
    return new Refusal('BAD_ID', 'id must have 1 to 128 printable characters. Send such a string, or leave it out.');
  }
  const ts = typeof sentTs === 'number' || typeof sentTs === 'string' ? readTimestamp(sentTs, bounds) : null;
  if (ts instanceof Refusal) return ts;
  const told = { id: typeof id === 'string' ? id : null, ts, seq: null };
  const { kind, key } = identityOf(told, [type, body]);
  return { ts: ts ?? bounds.receivedAt, identity: kind, key, body: payload.toString('utf8') };
}

function readBody(payload: Buffer): Json | Refusal {
  const tooLarge = sizeRefusal(payload);
  if (tooLarge) return tooLarge;
  try {
    // An event is kept as its text, so that even integers beyond 2^53 stay what they are.
    return parseJson(payload);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const unreadable = decode(payload);
    if (unreadable instanceof Refusal) return unreadable;
    const at = error.pointer === '' ? '' : ` at ${quoted(error.pointer)}`;
    return new Refusal(CODES[error.reason], `The event cannot be kept: ${error.message}${at}. Send it without.`);
  }
}
