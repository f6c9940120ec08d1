import { isUtf8 } from 'node:buffer';

/** A JSON value as `JSON.parse` makes it. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Why a text was refused; `detail` is one sentence fit for the caller, `pointer` where in the document (RFC 6901). */
export class JsonError extends Error {
  override readonly name = 'JsonError';

  constructor(
    readonly reason: 'NOT_UTF8' | 'NOT_JSON' | 'TOO_DEEP' | 'FORBIDDEN_KEY' | 'BAD_STRING' | 'NOT_FINITE',
    detail: string,
    readonly pointer = '',
  ) {
    super(detail);
  }
}

/** Deepest nesting accepted in a request body. */
export const MAX_JSON_DEPTH = 32;

/**
 * Parses JSON (RFC 8259) and refuses what a database or a later reader would choke on: invalid UTF-8, nesting deeper than
 * `maxDepth`, `__proto__` keys, NUL and lone surrogates in strings or keys, and numbers beyond a double (`1e999`).
 * Of duplicate keys the last wins. Throws {@link JsonError}.
 */
export function parseJson(bytes: Uint8Array, maxDepth = MAX_JSON_DEPTH): Json {
  if (!isUtf8(bytes)) throw new JsonError('NOT_UTF8', 'the text is not valid UTF-8');
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    throw new JsonError('NOT_JSON', text.trim() === '' ? 'the text is empty' : 'the text is not valid JSON');
  }
  check(value, maxDepth, '');
  return value;
}

function check(value: Json, depthLeft: number, pointer: string): void {
  if (typeof value === 'string') {
    checkString(value, pointer);
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new JsonError('NOT_FINITE', 'a number is too large for a double', pointer);
  } else if (value !== null && typeof value === 'object') {
    if (depthLeft === 0) throw new JsonError('TOO_DEEP', 'the document is nested too deeply', pointer);
    if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) check(value[i]!, depthLeft - 1, `${pointer}/${i}`);
      return;
    }
    for (const key of Object.keys(value)) {
      const at = `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
      if (key === '__proto__') throw new JsonError('FORBIDDEN_KEY', 'the key "__proto__" is not accepted', at);
      checkString(key, at);
      check(value[key]!, depthLeft - 1, at);
    }
  }
}

function checkString(text: string, pointer: string): void {
  if (text.includes('\0')) throw new JsonError('BAD_STRING', 'a string contains U+0000', pointer);
  if (!text.isWellFormed()) throw new JsonError('BAD_STRING', 'a string contains a lone surrogate', pointer);
}
