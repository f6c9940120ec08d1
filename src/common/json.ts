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
const MAX_JSON_DEPTH = 32;

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
  check(value, maxDepth, []);
  return value;
}

/** `path` is where `value` stands; it is made a pointer only when something is wrong there. */
function check(value: Json, depthLeft: number, path: (string | number)[]): void {
  if (typeof value === 'string') {
    checkString(value, path);
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value))
      throw new JsonError('NOT_FINITE', 'a number is too large for a double', pointerTo(path));
  } else if (value !== null && typeof value === 'object') {
    if (depthLeft === 0) throw new JsonError('TOO_DEEP', 'the document is nested too deeply', pointerTo(path));
    for (const key of Array.isArray(value) ? value.keys() : Object.keys(value)) {
      path.push(key);
      if (key === '__proto__') {
        throw new JsonError('FORBIDDEN_KEY', 'the key "__proto__" is not accepted', pointerTo(path));
      }
      if (typeof key === 'string') checkString(key, path);
      check((value as { readonly [key: string | number]: Json })[key]!, depthLeft - 1, path);
      path.pop();
    }
  }
}

function checkString(text: string, path: readonly (string | number)[]): void {
  if (text.includes('\0')) throw new JsonError('BAD_STRING', 'a string contains U+0000', pointerTo(path));
  if (!text.isWellFormed()) throw new JsonError('BAD_STRING', 'a string contains a lone surrogate', pointerTo(path));
}

/** The JSON pointer (RFC 6901) to the value that these keys and indexes lead to. */
export function pointerTo(path: readonly (string | number)[]): string {
  return path.map((key) => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
