import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { reject } from '../../test/sensor/parse.js';
import { parseTelemetry } from './telemetry.parser.js';

const NOW = Date.UTC(2026, 10, 21, 12);
const SECONDS = NOW / 1000;

function parse(pack: unknown) {
  const payload = Buffer.from(typeof pack === 'string' ? pack : JSON.stringify(pack));
  return parseTelemetry(payload, { receivedAt: NOW, retentionMs: 86_400_000, metric: null });
}

const shown = (pack: unknown) =>
  parse(pack).readings.map(({ ts, values }) => [ts - NOW, JSON.parse(values) as unknown]);
const codes = (pack: unknown) => parse(pack).rejects.map(({ index, code }) => [index, code]);

describe('SenML (RFC 8428)', () => {
  it('joins base name and name, base time and time, base value and value, and tells the units', () => {
    const pack = [
      { bn: 'urn:dev:ow:10e2073a01080063:', bt: SECONDS, bu: 'A', bver: 5, n: 'voltage', u: 'V', v: 120.1 },
      { n: 'current', t: -5, v: 1.2 },
      { n: 'current', t: -4, bv: 10, v: 1.3 },
    ];
    expect(shown(pack)).toEqual([
      [0, { 'urn:dev:ow:10e2073a01080063:voltage': 120.1 }],
      [-5000, { 'urn:dev:ow:10e2073a01080063:current': 1.2 }],
      [-4000, { 'urn:dev:ow:10e2073a01080063:current': 11.3 }],
    ]);
    expect(parse(pack).units.map(({ unit }) => unit)).toEqual(['V', 'A', 'A']);
    expect(parse(pack).readings.map(({ identity }) => identity)).toEqual(['hash', 'hash', 'hash']);
  });

  it('makes one reading of the records of one time, wherever they stand', () => {
    const pack = [
      { n: 'a', v: 1, t: SECONDS },
      { n: 'b', v: 2, t: SECONDS - 1 },
      { n: 'c', vb: true, t: SECONDS },
      { n: 'd', vs: 'on', t: SECONDS },
      { n: 'e', vd: 'aGkgCg', t: SECONDS },
    ];
    expect(shown(pack)).toEqual([
      [0, { a: 1, c: true, d: 'on', e: 'aGkgCg' }],
      [-1000, { b: 2 }],
    ]);
  });

  it('takes a time below 2^28 as relative to now, and never for an identity', () => {
    const pack = [
      { n: 'a', v: 1 },
      { n: 'a', v: 2, t: -10.5 },
      { n: 'a', v: 3, t: 60 },
    ];
    expect(shown(pack)).toEqual([
      [0, { a: 1 }],
      [-10_500, { a: 2 }],
      [60_000, { a: 3 }],
    ]);
    expect(parse(pack).readings.every(({ identity }) => identity === 'unique')).toBe(true);
  });

  it('keeps a sum as a metric of its own, beside a value or alone', () => {
    expect(shown([{ bn: 'w/', bs: 100, n: 'power', v: 5, s: 23 }])).toEqual([
      [0, { 'w/power': 5, 'w/power.sum': 123 }],
    ]);
    expect(shown([{ n: 'power', s: 23 }])).toEqual([[0, { 'power.sum': 23 }]]);
  });

  it('takes a record of base fields only, and ignores an unknown field', () => {
    expect(shown([{ bn: 'x/' }, { n: 'a', v: 1, foo: {} }])).toEqual([[0, { 'x/a': 1 }]]);
  });

  it('rejects only the reading of a bad record, and names the record', () => {
    const pack = [
      { n: 'a', v: 1, t: SECONDS },
      { n: 'b', v: '2', t: SECONDS - 1 },
      { n: 'c', t: SECONDS - 2 },
      { n: 'd', v: 1, vs: 'x', t: SECONDS - 3 },
      { n: 'e', v: 1, t: SECONDS - 4 },
      { n: 'e', v: 2, t: SECONDS - 4 },
      { n: 'f,g', v: 1, t: SECONDS - 5 },
      { v: 1, t: SECONDS - 6 },
      { n: 'h', v: 1, t: SECONDS + 601 },
      { n: 'i', v: 1, t: SECONDS - 86_401 },
      { n: '__proto__', v: 1, t: SECONDS - 7 },
    ];
    expect(shown(pack)).toEqual([[0, { a: 1 }]]);
    expect(codes(pack)).toEqual([
      [1, 'BAD_SENML'],
      [2, 'BAD_SENML'],
      [3, 'BAD_SENML'],
      [5, 'DUPLICATE_METRIC'],
      [6, 'BAD_METRIC_NAME'],
      [7, 'BAD_METRIC_NAME'],
      [8, 'BAD_TIMESTAMP'],
      [9, 'TOO_OLD'],
      [10, 'FORBIDDEN_KEY'],
    ]);
  });

  it('says of a metric that is there twice what it is in SenML', () => {
    const { detail } = reject([
      { n: 'a', v: 1 },
      { n: 'a', v: 2 },
    ]);
    expect(detail).toMatch(/twice with one time/);
    expect(detail).not.toMatch(/flattened/);
  });

  it.each([
    [[{ n: 'a', v: 1, bver: 11 }], 'BAD_SENML'],
    [[{ n: 'a', v: 1, bver: 9.5 }], 'BAD_SENML'],
    [
      [
        { n: 'a', v: 1 },
        { n: 'b', v: 1, must_: 1 },
      ],
      'BAD_SENML',
    ],
    [[{ n: 'a', v: 1 }, 5], 'BAD_SENML'],
    [[{ n: 'a', v: 1, t: '5' }], 'BAD_SENML'],
    [[{ n: 'a', v: 1, u: 5 }], 'BAD_SENML'],
    [[{ n: 'a', v: 1, u: '' }], 'BAD_SENML'],
    [[{ bn: 'a', bt: 5 }], 'EMPTY'],
    ['[{"n":"a","v":1,"bt":1e999}]', 'NUMBER_TOO_LARGE'],
    ['[{"n":"a","v":9007199254740993}]', 'NUMBER_TOO_LARGE'],
  ])('refuses %j whole, with %s', (pack, code) => {
    const parsed = parse(pack);
    expect(parsed.readings).toEqual([]);
    expect(parsed.rejects).toHaveLength(1);
    expect(parsed.rejects[0]!.code).toBe(code);
  });

  it('makes one reading or one reject of each time', () => {
    const record = fc.record(
      {
        n: fc.constantFrom('a', 'b', '', ','),
        t: fc.integer({ min: -3, max: 3 }),
        v: fc.oneof(fc.integer(), fc.boolean()),
      },
      { requiredKeys: ['n', 't'] },
    );
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 30 }), (pack) => {
        const { readings, rejects } = parse(pack);
        expect(readings.length + rejects.length).toBe(new Set(pack.map(({ t }) => t)).size);
      }),
    );
  });
});
