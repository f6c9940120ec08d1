import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { FastifyRequest } from 'fastify';
import { ANYONE } from '../common/access.js';
import { preferredWaitOf, requestKeyOf } from './request-headers.js';

const request = (headersDistinct: Record<string, string[]>, body: unknown = {}) =>
  ({ raw: { headersDistinct }, body }) as unknown as FastifyRequest;
const wait = (...prefer: string[]) => preferredWaitOf(request({ prefer }));
const keyOf = (...keys: string[]) => requestKeyOf(request({ 'idempotency-key': keys }, { type: 'X' }), '/path', ANYONE);

describe('The preference wait', () => {
  it.each<[string, number | null]>([
    ['wait=15', 15],
    ['wait=0', 0],
    ['wait=60', 60],
    ['WAIT = "15"', 15],
    ['wait=007', 7],
    ['respond-async, wait=10', 10],
    ['wait=10;strict, wait=20', 10],
    ['foo="a, wait=5", wait=6', 6],
    ['foo; wait=5', null],
    ['waiting=5', null],
    ['return=minimal', null],
    ['', null],
    [', ,', null],
  ])('of "%s" is %s', (prefer, seconds) => {
    expect(wait(prefer)).toBe(seconds);
  });

  it('is the first of several headers', () => {
    expect(wait('return=minimal', 'wait=3', 'wait=900')).toBe(3);
  });

  it('is null without the header', () => {
    expect(preferredWaitOf(request({}))).toBeNull();
  });

  it.each([
    'wait',
    'wait=',
    'wait=61',
    'wait=-1',
    'wait=1.5',
    'wait=1e1',
    'wait=0x10',
    'wait=15s',
    'wait=1=2',
    'wait="',
  ])('is refused as "%s"', (prefer) => {
    expect(() => wait(prefer)).toThrow(
      expect.objectContaining({
        code: 'VALIDATION_FAILED',
        options: { errors: [expect.objectContaining({ header: 'Prefer' })] },
      }),
    );
  });

  it('is read or refused within a moment, whatever the header holds', () => {
    for (const text of ['"\\'.repeat(8_000), ','.repeat(16_000), '"'.repeat(16_001), 'a=;'.repeat(5_000)]) {
      const startedAt = performance.now();
      wait(text);
      expect(performance.now() - startedAt).toBeLessThan(200);
    }
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('w', 'wait', '=', '"', ',', ';', '\\', '7', ' ') }), (text) => {
        try {
          const seconds = wait(text);
          return seconds === null || (seconds >= 0 && seconds <= 60);
        } catch (error) {
          return (error as { readonly code?: string }).code === 'VALIDATION_FAILED';
        }
      }),
    );
  });
});

describe('The header Idempotency-Key', () => {
  it('names the request together with its path and its body as it was sent', () => {
    expect(keyOf('k 1')).toEqual({ caller: 'anyone', key: 'k 1', content: { path: '/path', body: { type: 'X' } } });
    expect(requestKeyOf(request({}), '/path', ANYONE)).toBeNull();
  });

  it('is read as UTF-8 where it is, else as Latin-1', () => {
    const bytesOf = (text: string, encoding: BufferEncoding) => Buffer.from(text, encoding).toString('latin1');
    expect(keyOf(bytesOf('ключ', 'utf8'))?.key).toBe('ключ');
    expect(keyOf(bytesOf('é', 'latin1'))?.key).toBe('é');
  });

  it.each([['', 'x'.repeat(256), 'a\tb', '\u0080', '\u00c2\u0085'].map((key) => [key])].flat())(
    'is refused as %j',
    (key) => {
      expect(() => keyOf(key)).toThrow(
        expect.objectContaining({ options: { errors: [expect.objectContaining({ header: 'Idempotency-Key' })] } }),
      );
    },
  );

  it('is refused when it is given twice', () => {
    expect(() => keyOf('a', 'a')).toThrow('only once');
  });
});
