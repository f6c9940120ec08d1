import { describe, expect, it } from '@jest/globals';
import { code, parse, reading, values } from '../../test/sensor/parse.js';

const many = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`m${i}`, i]));

describe('the values of a reading', () => {
  it('flattens nested objects with a dot and keeps the values as they were sent', () => {
    const nested = { a: { b: 1, c: { d: null } }, e: [{ f: 1 }], g: {} };
    expect(values(nested)).toEqual(nested);
    expect(JSON.parse(reading(nested).metrics!)).toEqual({ 'a.b': 1, 'a.c.d': null, e: [{ f: 1 }] });
  });

  it('needs no flattened copy of values that are flat', () => {
    expect(reading({ 'a.b': 1, c: [1, { d: 2 }], n: null }).metrics).toBeNull();
  });

  it.each([
    ['{"a.b":1,"a":{"b":2}}', 'DUPLICATE_METRIC'],
    ['{"a":{"b":2},"a.b":1}', 'DUPLICATE_METRIC'],
    ['{"a":1e999}', 'NUMBER_TOO_LARGE'],
    ['{"a":-1e999}', 'NUMBER_TOO_LARGE'],
    ['{"a":[1e999]}', 'NUMBER_TOO_LARGE'],
    ['{"a":9007199254740993}', 'NUMBER_TOO_LARGE'],
    ['{"a":-9007199254740993}', 'NUMBER_TOO_LARGE'],
    ['{"a":12345678901234567890}', 'NUMBER_TOO_LARGE'],
    ['{"a":{"b":[9007199254740994]}}', 'NUMBER_TOO_LARGE'],
    ['{"a":"x\\u0000"}', 'BAD_VALUE'],
    ['{"a":"\\ud800"}', 'BAD_VALUE'],
    ['{"a":[{"\\ud800":1}]}', 'BAD_VALUE'],
    ['{"\\ud800":1}', 'BAD_METRIC_NAME'],
    ['{"":1}', 'BAD_METRIC_NAME'],
    ['{"a,b":1}', 'BAD_METRIC_NAME'],
    ['{"a\\u0000":1}', 'BAD_METRIC_NAME'],
    ['{"a\\n":1}', 'BAD_METRIC_NAME'],
    ['{"__proto__":1}', 'FORBIDDEN_KEY'],
    ['{"__proto__":{"x":1}}', 'FORBIDDEN_KEY'],
    ['{"a":{"__proto__":{"x":1}}}', 'FORBIDDEN_KEY'],
    ['{"a":[{"__proto__":{"x":1}}]}', 'FORBIDDEN_KEY'],
    ['{"values":{"__proto__":{"x":1}}}', 'FORBIDDEN_KEY'],
  ])('refuses %s with %s', (payload, expected) => {
    expect(code(payload)).toBe(expected);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });

  it('keeps integers up to 2^53, larger numbers that are written as floating point, and digits in strings', () => {
    expect(values('{"a":9007199254740992,"b":-9007199254740992}')).toEqual({ a: 2 ** 53, b: -(2 ** 53) });
    expect(values('{"a":1e300,"b":100000000000000000000.0}')).toEqual({ a: 1e300, b: 1e20 });
    expect(values('{"a":"9007199254740993","b\\"":"\\\\\\"12345678901234567890"}')).toEqual({
      a: '9007199254740993',
      'b"': '\\"12345678901234567890',
    });
  });

  it('blames the item with the large integer and no other', () => {
    const parsed = parse('[{"a":9007199254740992},{"a":9007199254740993}]');
    expect(parsed.readings.map(({ index }) => index)).toEqual([0]);
    expect(parsed.rejects).toMatchObject([{ index: 1, code: 'NUMBER_TOO_LARGE' }]);
  });

  it('takes a string of 1 KiB, counted in bytes, and refuses a longer one', () => {
    expect(reading({ a: 'é'.repeat(512) }).values).toHaveLength(512 + 8);
    expect(code({ a: 'é'.repeat(512) + 'x' })).toBe('BAD_VALUE');
  });

  it('takes values 8 deep and refuses 9', () => {
    const arrays = (depth: number): unknown => (depth === 0 ? 1 : [arrays(depth - 1)]);
    const objects = (depth: number): unknown => (depth === 0 ? 1 : { a: objects(depth - 1) });
    expect(values({ a: arrays(8) })).toEqual({ a: arrays(8) });
    expect(values({ a: objects(8) })).toEqual({ a: objects(8) });
    expect(code({ a: arrays(9) })).toBe('TOO_DEEP');
    expect(code({ a: objects(9) })).toBe('TOO_DEEP');
  });

  it('takes 256 metrics and refuses 257, flat or nested', () => {
    expect(values(many(256))).toEqual(many(256));
    expect(code(many(257))).toBe('TOO_MANY_METRICS');
    expect(values({ a: many(256) })).toEqual({ a: many(256) });
    expect(code({ a: many(257) })).toBe('TOO_MANY_METRICS');
  });

  it('takes a metric name of 128 characters and refuses 129, flattened names included', () => {
    expect(reading({ ['é'.repeat(128)]: 1 }).metrics).toBeNull();
    expect(code({ ['x'.repeat(129)]: 1 })).toBe('BAD_METRIC_NAME');
    expect(code({ ['x'.repeat(64)]: { ['y'.repeat(64)]: 1 } })).toBe('BAD_METRIC_NAME');
  });
});
