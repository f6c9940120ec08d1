import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { sameJson } from './same-json.js';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

function reversed(value: Json): Json {
  if (Array.isArray(value)) return value.map(reversed);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, item]) => [key, reversed(item)]),
  );
}

describe('sameJson', () => {
  it('does not mind the order of keys or white space', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const json = JSON.parse(JSON.stringify(value)) as Json;
        expect(sameJson(JSON.stringify(json), JSON.stringify(reversed(json), null, 2))).toBe(true);
      }),
    );
  });

  it('sees any difference of values', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (left, right) => {
        const [a, b] = [JSON.stringify(left), JSON.stringify(right)];
        let equal = true;
        try {
          expect(JSON.parse(a)).toEqual(JSON.parse(b));
        } catch {
          equal = false;
        }
        expect(sameJson(a, b)).toBe(equal);
      }),
    );
  });

  it.each([
    ['[1,2]', '[2,1]', false],
    ['{"a":1}', '{"a":1,"b":null}', false],
    ['{"a":null}', '{"b":null}', false],
    ['{"0":1}', '[1]', false],
    ['1', '1.0', true],
    ['1', '"1"', false],
    ['no json', 'no json', true],
    ['no json', '1', false],
  ])('%s and %s: %s', (left, right, same) => {
    expect(sameJson(left, right)).toBe(same);
  });
});
