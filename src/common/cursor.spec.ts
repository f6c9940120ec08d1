import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { decodeCursor, encodeCursor, nextLink, pageOf } from './cursor.js';

const scope = { list: 'rejects', deviceId: ['a'] };
const codeOf = (cursor: string, of: object = scope): string => {
  try {
    decodeCursor(cursor, of as Record<string, unknown>);
    return 'none';
  } catch (error) {
    return (error as { readonly code: string }).code;
  }
};

describe('a cursor', () => {
  it('gives back the key that it was made of', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.integer()), { minLength: 1 }), (key) => {
        expect(decodeCursor(encodeCursor(key, scope), scope)).toEqual(key);
      }),
    );
  });

  it('is refused with other filters', () => {
    const cursor = encodeCursor([5], scope);
    expect(codeOf(cursor, { ...scope, deviceId: ['b'] })).toBe('CURSOR_MISMATCH');
    expect(codeOf(cursor, { list: 'rejects' })).toBe('CURSOR_MISMATCH');
    expect(codeOf(cursor, { ...scope, code: undefined })).toBe('none');
  });

  it('is refused with any one character changed, removed or added', () => {
    const cursor = encodeCursor([12_345], scope);
    for (let i = 0; i < cursor.length; i++) {
      const other = cursor[i] === 'A' ? 'B' : 'A';
      expect(codeOf(cursor.slice(0, i) + other + cursor.slice(i + 1))).toBe('BAD_CURSOR');
      expect(codeOf(cursor.slice(0, i) + cursor.slice(i + 1))).toBe('BAD_CURSOR');
    }
    expect(codeOf(`${cursor}A`)).toBe('BAD_CURSOR');
  });

  it('is refused where it is any other text', () => {
    fc.assert(fc.property(fc.string(), (text) => expect(codeOf(text)).toBe('BAD_CURSOR')));
    for (const json of ['null', '[]', '[[],"",""]', '{"key":[1]}']) {
      expect(codeOf(Buffer.from(json).toString('base64url'))).toBe('BAD_CURSOR');
    }
  });
});

describe('a page', () => {
  const rows = [{ seq: 3 }, { seq: 2 }, { seq: 1 }];
  const page = (limit: number) =>
    pageOf(
      rows,
      limit,
      scope,
      ({ seq }) => [seq],
      ({ seq }) => seq,
    );

  it('has a cursor after its last item where there are more rows than it shows', () => {
    const { items, nextCursor, hasMore } = page(2);
    expect(items).toEqual([3, 2]);
    expect(hasMore).toBe(true);
    expect(decodeCursor(nextCursor!, scope)).toEqual([2]);
    expect(page(3)).toEqual({ items: [3, 2, 1], nextCursor: null, hasMore: false });
  });

  it('links to the next one with the same filters', () => {
    expect(nextLink('/v1/rejects?deviceId=a%20b&cursor=old&limit=2', { nextCursor: 'new' })).toBe(
      '</v1/rejects?deviceId=a+b&cursor=new&limit=2>; rel="next"',
    );
    expect(nextLink('/v1/rejects', { nextCursor: 'new' })).toBe('</v1/rejects?cursor=new>; rel="next"');
    expect(nextLink('/v1/rejects', { nextCursor: null })).toBeNull();
  });
});
