import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseStatus } from './status.js';

const parse = (text: string) => parseStatus(Buffer.from(text));

describe('parseStatus', () => {
  it('reads what a device and its will publish', () => {
    expect(parse('{"online": true, "session": "b7", "firmware": "1.2"}')).toEqual({
      online: true,
      session: 'b7',
      firmware: '1.2',
    });
    expect(parse('{"online": false}')).toEqual({ online: false, session: null, firmware: null });
  });

  it('takes an empty payload as "cleared"', () => {
    expect(parse('')).toBeNull();
  });

  it.each([
    ['online', 'JSON'],
    ['"online"', 'object'],
    ['[true]', 'object'],
    ['null', 'object'],
    ['{}', '"online"'],
    ['{"online": "true"}', '"online"'],
    ['{"online": 1}', '"online"'],
    ['{"online": true, "sesion": "x"}', '"sesion"'],
    ['{"online": true, "session": 7}', '"session"'],
    [`{"online": true, "firmware": "${'x'.repeat(257)}"}`, '"firmware"'],
    ['{"online": true, "__proto__": {}}', '__proto__'],
  ])('refuses %s and names the reason', (text, named) => {
    expect(() => parse(text)).toThrow(named);
  });

  it('throws nothing but an Error with a sentence, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          parseStatus(bytes);
        } catch (error) {
          expect((error as Error).message).toMatch(/\.$/);
        }
      }),
    );
  });
});
