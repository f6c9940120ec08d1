import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseTelemetry, type TelemetryContext } from './telemetry.parser.js';
import { rejectCatalogue } from './reject.catalogue.js';

const NOW = Date.UTC(2026, 10, 21, 12);
const DAY = 86_400_000;
const context: TelemetryContext = { receivedAt: NOW, retentionMs: 90 * DAY, metric: null };

function parse(payload: unknown, overrides: Partial<TelemetryContext> = {}) {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : Buffer.from(JSON.stringify(payload));
  return parseTelemetry(bytes, { ...context, ...overrides });
}

function reading(payload: unknown, overrides: Partial<TelemetryContext> = {}) {
  const parsed = parse(payload, overrides);
  expect(parsed.rejects).toEqual([]);
  expect(parsed.readings).toHaveLength(1);
  return parsed.readings[0]!;
}

function reject(payload: unknown, overrides: Partial<TelemetryContext> = {}) {
  const parsed = parse(payload, overrides);
  expect(parsed.readings).toEqual([]);
  expect(parsed.rejects).toHaveLength(1);
  return parsed.rejects[0]!;
}

const code = (payload: unknown, overrides: Partial<TelemetryContext> = {}) => reject(payload, overrides).code;
const values = (payload: unknown) => JSON.parse(reading(payload).values) as unknown;

describe('parseTelemetry', () => {
  describe('forms', () => {
    it.each<{ readonly flat: object }>([
      { flat: { data: 1, unit: 'C' } },
      { flat: { id: 'x', data: 1 } },
      { flat: { pattern: 'p', value: 2 } },
      { flat: { values: 5, seq: 'a', ack: true, historical: 1 } },
      { flat: { values: [1, 2] } },
      { flat: { ts: null, a: 1 } },
      { flat: { ts: true } },
      { flat: { constructor: 1, toString: 'x', hasOwnProperty: null } },
      { flat: { payload: { id: 1 } } },
    ])('stores the flat reading $flat whole', ({ flat }) => {
      expect(reading(flat)).toMatchObject({ ts: NOW, identity: 'unique', key: '', seq: null, historical: false });
      expect(values(flat)).toEqual(flat);
    });

    it('takes ts out of a flat reading where it is a number or a string', () => {
      expect(reading({ ts: NOW - 1, a: 1 })).toMatchObject({ ts: NOW - 1, identity: 'hash', values: '{"a":1}' });
      expect(reading({ ts: '2026-11-21T12:59:59+01:00', a: 1 }).ts).toBe(NOW - 1000);
    });

    it('reads an envelope with all its fields', () => {
      const envelope = { values: { a: 1 }, ts: NOW - 5, id: 'e-1', seq: 7, historical: true, ack: true };
      expect(parse(envelope)).toEqual({
        readings: [
          {
            index: 0,
            ts: NOW - 5,
            identity: 'id-ts',
            key: 'e-1',
            seq: 7,
            historical: true,
            values: '{"a":1}',
            metrics: null,
          },
        ],
        rejects: [],
        units: [],
        ack: { id: 'e-1' },
      });
    });

    it('judges each item of an array alone and says which ones it means', () => {
      const parsed = parse([{ a: 1 }, 5, { values: { a: 2 }, ack: true, id: 'b' }, { values: {}, ack: true, id: 'c' }]);
      expect(parsed.readings.map(({ index, values: text }) => [index, text])).toEqual([
        [0, '{"a":1}'],
        [2, '{"a":2}'],
      ]);
      expect(parsed.rejects).toMatchObject([
        { index: 1, code: 'NOT_AN_OBJECT', ref: null },
        { index: 3, code: 'EMPTY', ref: 'c' },
      ]);
      expect(parsed.rejects[0]!.detail).toMatch(/^Item 1: /);
      expect(parsed.ack).toEqual({ id: 'b' });
    });

    it('answers a rejected envelope that asked, and no other message', () => {
      expect(parse({ values: { a: '\0' }, id: 'q', ack: true })).toMatchObject({
        ack: { id: 'q' },
        rejects: [{ ref: 'q' }],
      });
      expect(parse({ values: { a: 1 }, ack: true }).ack).toEqual({ id: null });
      expect(parse({ values: { a: 1 }, ack: false }).ack).toBeNull();
      expect(parse({ a: 1, ack: true }).ack).toBeNull();
    });

    it('takes 1,000 items and refuses the message with 1,001 as one', () => {
      expect(parse(Array.from({ length: 1000 }, () => ({ a: 1 }))).readings).toHaveLength(1000);
      expect(code(Array.from({ length: 1001 }, () => ({ a: 1 })))).toBe('TOO_MANY_ITEMS');
    });

    it('refuses another field in an envelope', () => {
      expect(code({ values: { a: 1 }, unit: 'C' })).toBe('UNKNOWN_FIELD');
      expect(reject({ values: { a: 1 }, unit: 'C' }).detail).toContain('"unit"');
      expect(code('{"values": {"a": 1}, "__proto__": {}}')).toBe('FORBIDDEN_KEY');
    });

    it.each([
      [{ values: { a: 1 }, id: 5 }, 'BAD_ID'],
      [{ values: { a: 1 }, id: null }, 'BAD_ID'],
      [{ values: { a: 1 }, id: '' }, 'BAD_ID'],
      [{ values: { a: 1 }, id: 'x'.repeat(129) }, 'BAD_ID'],
      [{ values: { a: 1 }, id: 'a\nb' }, 'BAD_ID'],
      [{ values: { a: 1 }, seq: -1 }, 'BAD_SEQ'],
      [{ values: { a: 1 }, seq: 1.5 }, 'BAD_SEQ'],
      [{ values: { a: 1 }, seq: '1' }, 'BAD_SEQ'],
      [{ values: { a: 1 }, seq: null }, 'BAD_SEQ'],
      [{ values: { a: 1 }, seq: 2 ** 53 }, 'BAD_SEQ'],
      [{ values: { a: 1 }, historical: 'true' }, 'BAD_FIELD'],
      [{ values: { a: 1 }, ack: 1 }, 'BAD_FIELD'],
      [{ values: { a: 1 }, ts: null }, 'BAD_TIMESTAMP'],
      [{ values: { a: 1 }, ts: true }, 'BAD_TIMESTAMP'],
    ])('refuses the envelope %j with %s', (envelope, expected) => expect(code(envelope)).toBe(expected));
  });

  describe('messages that cannot be taken apart', () => {
    it.each([
      ['', 'NOT_JSON'],
      ['  ', 'NOT_JSON'],
      ['on', 'NOT_JSON'],
      ['{"a":NaN}', 'NOT_JSON'],
      ['{"a":1,}', 'NOT_JSON'],
      ['{"a":1}\0', 'NOT_JSON'],
      ['\uFEFF{"a":1}', 'NOT_JSON'],
      ['null', 'NOT_AN_OBJECT'],
      ['21.5', 'NOT_AN_OBJECT'],
      ['"x"', 'NOT_AN_OBJECT'],
      ['{}', 'EMPTY'],
      ['[]', 'EMPTY'],
      ['{"values":{}}', 'EMPTY'],
      [`{"ts":${NOW}}`, 'EMPTY'],
      ['{"a":{}}', 'EMPTY'],
      ['['.repeat(200_000), 'NOT_JSON'],
      ['['.repeat(100_000) + ']'.repeat(100_000), 'NOT_AN_OBJECT'],
      [`{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 'TOO_DEEP'],
      [`{"a":${'{"a":'.repeat(40_000)}1${'}'.repeat(40_000)}}`, 'TOO_DEEP'],
    ])('counts %.40j as one reject, %s', (payload, expected) => expect(code(payload)).toBe(expected));

    it('refuses invalid UTF-8', () => {
      const parsed = parseTelemetry(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), context);
      expect(parsed.rejects[0]!.code).toBe('NOT_UTF8');
    });

    it('refuses more than 256 KiB and takes exactly that', () => {
      const fill = (bytes: number) => `{"a":1${' '.repeat(bytes - 7)}}`;
      expect(reading(fill(262_144)).values).toBe('{"a":1}');
      expect(code(fill(262_145))).toBe('PAYLOAD_TOO_LARGE');
    });
  });

  describe('values', () => {
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
      const many = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`m${i}`, i]));
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

  describe('time', () => {
    it.each([
      [NOW / 1000, 'seconds'],
      [NOW / 1000 + 0.5, 'seconds'],
      [NOW * 1000, 'microseconds'],
      [NOW + 601_000, '10 minutes ahead'],
      ['2026-11-21T12:10:01Z', '10 minutes ahead'],
      [0, 'before 2000'],
      [-1, 'before 2000'],
      ['1999-12-31T23:59:59.999Z', 'before 2000'],
      ['2026-11-21T12:00:00', 'no zone'],
      ['2026-11-21 12:00', 'no zone'],
      ['yesterday', 'cannot be read'],
      ['', 'cannot be read'],
      ['2026-02-30T00:00:00Z', 'cannot be read'],
      [String(NOW), 'in quotes'],
      ['300000-01-01T00:00:00Z', 'cannot be read'],
    ])('refuses ts %j and says: %s', (ts, hint) => {
      for (const payload of [
        { ts, a: 1 },
        { ts, values: { a: 1 } },
      ]) {
        expect(reject(payload)).toMatchObject({ code: 'BAD_TIMESTAMP' });
        expect(reject(payload).detail).toContain(hint);
      }
    });

    it('takes a ts up to 10 minutes ahead and back to the retention, and no older one', () => {
      expect(reading({ ts: NOW + 600_000, a: 1 }).ts).toBe(NOW + 600_000);
      expect(reading({ ts: NOW - 90 * DAY, a: 1 }).ts).toBe(NOW - 90 * DAY);
      expect(code({ ts: NOW - 90 * DAY - 1, a: 1 })).toBe('TOO_OLD');
    });

    it('keeps for ever with a retention of 0', () => {
      expect(reading({ ts: '2000-01-01T00:00:00Z', a: 1 }, { retentionMs: 0 }).ts).toBe(946_684_800_000);
    });

    it('marks as historical what is told so or more than 5 minutes old', () => {
      expect(reading({ ts: NOW - 300_000, a: 1 }).historical).toBe(false);
      expect(reading({ ts: NOW - 300_001, a: 1 }).historical).toBe(true);
      expect(reading({ values: { a: 1 }, historical: true }).historical).toBe(true);
      expect(reading({ values: { a: 1 }, historical: false, ts: NOW - DAY }).historical).toBe(true);
    });
  });

  describe('identity', () => {
    it.each([
      [
        { values: { a: 1 }, id: 'x', ts: NOW, seq: 1 },
        { identity: 'id-ts', key: 'x', seq: 1 },
      ],
      [
        { values: { a: 1 }, id: 'x', seq: 1 },
        { identity: 'id', key: 'x', seq: 1 },
      ],
      [
        { values: { a: 1 }, ts: NOW, seq: 12 },
        { identity: 'seq', key: '12', seq: 12 },
      ],
      [
        { values: { a: 1 }, ts: NOW },
        { identity: 'hash', seq: null },
      ],
      [
        { values: { a: 1 }, seq: 1 },
        { identity: 'unique', key: '', seq: 1 },
      ],
      [{ values: { a: 1 } }, { identity: 'unique', key: '', seq: null }],
    ])('gives %j the identity %j', (envelope, expected) => expect(reading(envelope)).toMatchObject(expected));

    it('never changes the hash of a reading, because the log keeps it', () => {
      expect(reading({ b: [1, { d: 'x', c: null }], a: 21.5, ts: NOW }).key).toBe(
        reading({ values: { a: 21.5, b: [1, { c: null, d: 'x' }] }, ts: NOW }).key,
      );
      expect(reading({ temperature: 21.5, humidity: 40, ts: NOW }).key).toBe('86Snaq24OVylrGttLq47i7');
    });

    it('gives a metric by its own topic the identity that it has by the common one', () => {
      const byTopic = reading({ value: 21.5, ts: NOW }, { metric: 'temperature' });
      expect(byTopic.key).toBe(reading({ temperature: 21.5, ts: NOW }).key);
      expect(byTopic.key).not.toBe(reading({ value: 21.5, ts: NOW }, { metric: 'humidity' }).key);
    });
  });

  describe('a topic that names the metric', () => {
    it.each([['21.5'], ['"on"'], ['true'], ['null']])('stores the scalar %s', (payload) => {
      expect(reading(payload, { metric: 'm' })).toMatchObject({
        ts: NOW,
        values: `{"m":${payload}}`,
        identity: 'unique',
      });
    });

    it('reads an object with value', () => {
      const payload = { value: { x: 1 }, ts: NOW - 1, id: 'i', seq: 3 };
      expect(reading(payload, { metric: 'm' })).toMatchObject({
        ts: NOW - 1,
        identity: 'id-ts',
        key: 'i',
        seq: 3,
        values: '{"m":{"x":1}}',
        metrics: '{"m.x":1}',
      });
    });

    it.each([
      [{ value: 1, unit: 'C' }, 'UNKNOWN_FIELD'],
      [{ value: 1, ack: true }, 'UNKNOWN_FIELD'],
      [{ ts: NOW }, 'EMPTY'],
      [{}, 'EMPTY'],
      [[1], 'NOT_AN_OBJECT'],
    ])('refuses %j with %s', (payload, expected) => expect(code(payload, { metric: 'm' })).toBe(expected));

    it.each([
      ['__proto__', 'FORBIDDEN_KEY'],
      ['a,b', 'BAD_METRIC_NAME'],
      ['', 'BAD_METRIC_NAME'],
    ])('refuses the metric %j with %s', (metric, expected) => expect(code('1', { metric })).toBe(expected));

    it('takes constructor for a metric like any other', () => {
      expect(reading('1', { metric: 'constructor' }).values).toBe('{"constructor":1}');
    });
  });

  describe('for any input', () => {
    const scalar = fc.oneof(
      fc.constant(null),
      fc.boolean(),
      fc.string({ maxLength: 300 }).map((text) => text.replaceAll('\0', '')),
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 }),
    );
    const name = fc
      .string({ minLength: 1, maxLength: 20 })
      .filter((text) => !/[,\p{Cc}\p{Zl}\p{Zp}]/u.test(text) && !['__proto__', 'ts', 'values'].includes(text));
    const flat = fc.dictionary(name, scalar, { minKeys: 1, maxKeys: 20, noNullPrototype: true });
    const item = fc.oneof(
      flat,
      fc.jsonValue(),
      fc.record(
        { values: flat, ts: fc.oneof(fc.constant(NOW), fc.jsonValue()), ack: fc.jsonValue() },
        { requiredKeys: ['values'] },
      ),
      fc.record({ n: fc.string(), v: fc.jsonValue(), t: fc.jsonValue() }, { requiredKeys: [] }),
    );

    it('never throws, and rejects only with codes of the catalogue', () => {
      const payload = fc.oneof(
        fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
        fc.json().map((text) => Buffer.from(text)),
        fc.array(item, { maxLength: 5 }).map((items) => Buffer.from(JSON.stringify(items))),
      );
      fc.assert(
        fc.property(payload, fc.option(fc.string(), { nil: null }), (bytes, metric) => {
          const parsed = parseTelemetry(bytes, { ...context, metric });
          expect(parsed.readings.length + parsed.rejects.length).toBeGreaterThan(0);
          for (const { code: given, detail } of parsed.rejects) {
            expect(rejectCatalogue).toHaveProperty(given);
            expect(detail.isWellFormed()).toBe(true);
            expect(detail).toMatch(/\.$/);
          }
        }),
        { numRuns: 500 },
      );
    });

    it('accepts or rejects each item of an array, and loses none', () => {
      fc.assert(
        fc.property(fc.array(item, { minLength: 1, maxLength: 20 }), (items) => {
          const first = items[0] as { n?: unknown; bn?: unknown } | null;
          fc.pre(typeof first?.n !== 'string' && typeof first?.bn !== 'string');
          const { readings, rejects } = parse(items);
          const indices = [...readings, ...rejects].map(({ index }) => index).sort((a, b) => a - b);
          expect(indices).toEqual(items.map((_, i) => i));
        }),
      );
    });

    it('keeps flat values whole', () => {
      fc.assert(
        fc.property(flat, (sent) => {
          const plain = JSON.parse(JSON.stringify(sent)) as unknown;
          expect(values(sent)).toEqual(plain);
          expect(reading(sent).metrics).toBeNull();
        }),
      );
    });

    it('gives equal values one identity whatever the order of their keys, and other values another', () => {
      fc.assert(
        fc.property(flat, fc.integer(), (sent, other) => {
          const reversed = Object.fromEntries(Object.entries(sent).toReversed());
          const key = reading({ values: sent, ts: NOW }).key;
          expect(reading({ values: reversed, ts: NOW }).key).toBe(key);
          const changed = { ...sent, [Object.keys(sent)[0]!]: [other] };
          expect(reading({ values: changed, ts: NOW }).key).not.toBe(key);
        }),
      );
    });
  });
});
