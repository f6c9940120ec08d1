import { formatTime, MAX_TIME, parseTime } from '../common/clock.js';
import type { Json } from '../common/json.js';
import { Refusal } from './sensor.errors.js';

/** How far ahead of our clock a device's clock may be, in milliseconds. */
const MAX_AHEAD_MS = 10 * 60_000;

/** From this age on, in milliseconds, a reading counts as historical. */
export const HISTORICAL_AFTER_MS = 5 * 60_000;

const YEAR_2000 = Date.UTC(2000, 0, 1);
const NO_ZONE = /^\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?)?$/;
const FORMS = 'Send epoch milliseconds as a number (1732104000000) or RFC 3339 with a zone ("2024-11-20T12:00:00Z")';

/** By what a time is judged: our clock at the receipt and how long such records are kept (0 = for ever), in milliseconds. */
export interface TimeBounds {
  readonly receivedAt: number;
  readonly retentionMs: number;
}

/** Reads `ts` as a device may send it. Returns epoch milliseconds, never a corrected time. */
export function readTimestamp(ts: Json, bounds: TimeBounds): number | Refusal {
  // parseTime also reads digits in a string, for query parameters; from a device nothing is coerced.
  const time = typeof ts === 'string' && /^-?\d+$/.test(ts) ? null : parseTime(ts);
  if (typeof ts === 'number' && isInSeconds(ts, bounds.receivedAt)) {
    return bad(`ts ${ts} looks like seconds. Multiply it by 1000: ts is in milliseconds.`);
  }
  if (typeof ts === 'number' && ts > bounds.receivedAt * 100) {
    return bad(`ts ${ts} is far in the future; it looks like microseconds or nanoseconds. ts is in milliseconds.`);
  }
  if (time === null) return unreadable(ts);
  return timeRefusal(time, bounds) ?? time;
}

/** Says why a reading of this time cannot be stored, or null where it can. */
export function timeRefusal(time: number, { receivedAt, retentionMs }: TimeBounds): Refusal | null {
  if (!Number.isFinite(time))
    return bad('The time is too large a number. In SenML it is bt plus t, in seconds since 1970.');
  if (time > receivedAt + MAX_AHEAD_MS) {
    return bad(
      `The time ${shown(time)} is more than 10 minutes ahead of the clock here (${formatTime(receivedAt)}). Set the device's clock, or leave the time out to have the time of receipt.`,
    );
  }
  if (time < YEAR_2000) {
    return bad(
      `The time ${shown(time)} is before 2000-01-01. Set the device's clock, or leave the time out to have the time of receipt.`,
    );
  }
  if (retentionMs > 0 && time < receivedAt - retentionMs) {
    return new Refusal(
      'TOO_OLD',
      `The time ${shown(time)} is older than what is kept here (since ${shown(receivedAt - retentionMs)}). It is no use to send it again.`,
    );
  }
  return null;
}

function isInSeconds(ts: number, receivedAt: number): boolean {
  return ts < YEAR_2000 && ts * 1000 >= YEAR_2000 && ts * 1000 <= receivedAt + MAX_AHEAD_MS;
}

function unreadable(ts: Json): Refusal {
  if (typeof ts === 'string' && /^-?\d+$/.test(ts)) {
    return bad('ts is a number in quotes. Send epoch milliseconds without the quotes.');
  }
  if (typeof ts === 'string' && NO_ZONE.test(ts)) {
    return bad('ts has no zone. Add Z for UTC or an offset such as +02:00: "2024-11-20T12:00:00Z".');
  }
  return bad(`ts cannot be read. ${FORMS}, or leave it out to have the time of receipt.`);
}

function bad(detail: string): Refusal {
  return new Refusal('BAD_TIMESTAMP', detail);
}

function shown(time: number): string {
  return Math.abs(time) <= MAX_TIME ? formatTime(time) : String(time);
}
