import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { csvReader, linesOf } from './registry.lines.js';

const numbered = (text: string) => linesOf(Buffer.from(text)).map(({ number, bytes }) => [number, bytes.toString()]);

describe('The lines of an import', () => {
  it('are numbered from 1, blank ones included', () => {
    expect(numbered('a\n\n \t\r\nb\r\nc')).toEqual([
      [1, 'a'],
      [4, 'b\r'],
      [5, 'c'],
    ]);
    expect(numbered('')).toEqual([]);
    expect(numbered('\n')).toEqual([]);
    expect(numbered('\uFEFFa\n')).toEqual([[1, 'a']]);
    expect(numbered('\uFEFF')).toEqual([]);
  });

  it('hold all that is in the body', () => {
    const texts = fc
      .array(fc.string({ unit: fc.constantFrom('a', ' ', '\r', '\n', 'ä', '"') }))
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(texts, (text) => {
        const expected = text.split('\n').flatMap((line, i) => (/^[ \r]*$/.test(line) ? [] : [[i + 1, line]]));
        expect(numbered(text)).toEqual(expected);
      }),
    );
  });
});

describe('A reader of CSV', () => {
  it('gives every line as text to text, or says in its own words what is wrong', async () => {
    const read = await csvReader(Buffer.from('ID, Name ,type,tags\r'));
    expect(read(Buffer.from('a,"b, ""c""",,x:1; y : 2 ;\r'))).toEqual({
      id: 'a',
      name: 'b, "c"',
      tags: { x: '1', y: '2' },
    });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const line = Buffer.from(bytes.filter((byte) => byte !== 0x0a));
        try {
          expect(typeof read(line)).toBe('object');
        } catch (error) {
          expect(error).toMatchObject({ code: 'BAD_CSV' });
        }
      }),
    );
  });
});
