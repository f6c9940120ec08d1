import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Json, JsonError, parseJson } from './json.js';

function reason(text: string | Uint8Array, maxDepth?: number): string {
  try {
    parseJson(typeof text === 'string' ? Buffer.from(text) : text, maxDepth);
  } catch (error) {
    if (error instanceof JsonError) return `${error.reason} ${error.pointer}`.trim();
    throw error;
  }
  return 'accepted';
}

describe('parseJson', () => {
  it.each([
    ['', 'NOT_JSON'],
    ['{"a":1', 'NOT_JSON'],
    ['NaN', 'NOT_JSON'],
    ['{"a":1e999}', 'NOT_FINITE /a'],
    ['[-1e999]', 'NOT_FINITE /0'],
    ['{"a":"x\\u0000"}', 'BAD_STRING /a'],
    ['{"a":"\\ud800"}', 'BAD_STRING /a'],
    ['{"\\udfff":1}', 'BAD_STRING /\udfff'],
    ['{"__proto__":{"x":1}}', 'FORBIDDEN_KEY /__proto__'],
    ['{"a":[{"__proto__":1}]}', 'FORBIDDEN_KEY /a/0/__proto__'],
    ['{"a/b~c":1e999}', 'NOT_FINITE /a~1b~0c'],
    ['['.repeat(200_000), 'NOT_JSON'],
  ])('refuses %j', (text, expected) => {
    expect(reason(text)).toBe(expected);
  });

  it('refuses bytes that are not UTF-8', () => {
    expect(reason(Uint8Array.of(0x22, 0xff, 0x22))).toBe('NOT_UTF8');
  });

  it('refuses one level more than allowed, and nothing at the limit', () => {
    expect(reason('['.repeat(3) + ']'.repeat(3), 3)).toBe('accepted');
    expect(reason('['.repeat(4) + ']'.repeat(4), 3)).toBe('TOO_DEEP /0/0/0');
    expect(reason('['.repeat(200_000) + ']'.repeat(200_000))).toMatch(/^TOO_DEEP/);
  });

  it('takes the last of duplicate keys, and constructor as an ordinary key', () => {
    expect(parseJson(Buffer.from('{"a":1,"a":2,"constructor":3}'))).toEqual({ a: 2, constructor: 3 });
  });

  it('returns what JSON.parse returns for every acceptable document', () => {
    const acceptable = fc
      .jsonValue({ maxDepth: 5 })
      .filter((value) => !/__proto__|\\u0000|\\u[dD]/.test(JSON.stringify(value)));
    fc.assert(
      fc.property(acceptable, (value) => {
        const text = JSON.stringify(value);
        expect(parseJson(Buffer.from(text))).toEqual(JSON.parse(text) as Json);
      }),
    );
  });
});
