/** Bytes that weigh as much as one more item. */
const BYTES_PER_ITEM = 256;
/** More items than this are not taken apart (contract section 4). */
const MOST_ITEMS = 1_000;
const COMMA = 0x2c;
const BRACKET = 0x5b;
/** White space of JSON, and the bytes of a byte order mark. */
const SKIPPED: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d, 0xef, 0xbb, 0xbf]);

/** An ordinary reading weighs 1. What is heavier than this is bulk. */
const MOST_LIGHT_WEIGHT = 16;

/** How much work so many readings in so many bytes are. */
export function weightOfReadings(count: number, bytes: number): number {
  return count + Math.floor(bytes / BYTES_PER_ITEM);
}

/** True for a weight that lighter work should not wait for. */
export function isHeavy(weight: number): boolean {
  return weight > MOST_LIGHT_WEIGHT;
}

/** How much work a telemetry payload may be, from above: the items that it may hold and its size. */
export function weightOf(payload: Buffer): number {
  return weightOfReadings(isArray(payload) ? itemsAtMost(payload) : 1, payload.length);
}

/** True for a payload that is much work, so that lighter ones should not wait for it. */
export function isBulk(payload: Buffer): boolean {
  return isHeavy(weightOf(payload));
}

function isArray(payload: Buffer): boolean {
  let at = 0;
  while (at < payload.length && SKIPPED.has(payload[at]!)) at++;
  return payload[at] === BRACKET;
}

function itemsAtMost(payload: Buffer): number {
  let items = 1;
  for (let at = payload.indexOf(COMMA); at >= 0 && items < MOST_ITEMS; at = payload.indexOf(COMMA, at + 1)) items++;
  return items;
}
