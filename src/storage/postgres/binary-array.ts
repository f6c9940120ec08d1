const HEADER_BYTES = 20;
const NULL = -1;
/** Type numbers of PostgreSQL (pg_type.dat). */
const INT8 = 20;
const TEXT = 25;
const BYTEA = 17;

/**
 * Arrays as PostgreSQL's array_recv reads them: no quoting, and no text to parse for the server. Measured for a thousand
 * two-metric readings: see docs/decisions/0012.
 */
export function textArray(values: readonly (string | null)[]): Buffer {
  let bytes = HEADER_BYTES;
  const lengths = values.map((value) => {
    const length = value === null ? NULL : Buffer.byteLength(value);
    bytes += 4 + Math.max(length, 0);
    return length;
  });
  const buffer = start(bytes, TEXT, values.length);
  let at = HEADER_BYTES;
  for (const [i, value] of values.entries()) {
    at = buffer.writeInt32BE(lengths[i]!, at);
    if (value !== null) at += buffer.write(value, at, 'utf8');
  }
  return buffer;
}

/** An int8[]; every value is a safe integer or null. */
export function int8Array(values: readonly (number | null)[]): Buffer {
  const buffer = start(HEADER_BYTES + values.length * 12, INT8, values.length);
  let at = HEADER_BYTES;
  for (const value of values) {
    if (value === null) {
      at = buffer.writeInt32BE(NULL, at);
      continue;
    }
    at = buffer.writeInt32BE(8, at);
    const high = Math.floor(value / 2 ** 32);
    at = buffer.writeInt32BE(high, at);
    at = buffer.writeUInt32BE(value - high * 2 ** 32, at);
  }
  return buffer.subarray(0, at);
}

/** A bytea[]. */
export function byteaArray(values: readonly Uint8Array[]): Buffer {
  const bytes = values.reduce((sum, value) => sum + 4 + value.length, HEADER_BYTES);
  const buffer = start(bytes, BYTEA, values.length);
  let at = HEADER_BYTES;
  for (const value of values) {
    at = buffer.writeInt32BE(value.length, at);
    buffer.set(value, at);
    at += value.length;
  }
  return buffer;
}

function start(bytes: number, type: number, count: number): Buffer {
  const buffer = Buffer.allocUnsafe(bytes);
  buffer.writeInt32BE(1, 0);
  buffer.writeInt32BE(1, 4);
  buffer.writeInt32BE(type, 8);
  buffer.writeInt32BE(count, 12);
  buffer.writeInt32BE(1, 16);
  return buffer;
}
