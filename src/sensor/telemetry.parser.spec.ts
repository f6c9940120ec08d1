import { describe, expect, it } from '@jest/globals';
import { code, DAY, NOW, parse, reading, reject, values } from '../../test/sensor/parse.js';
import { parseTelemetry } from './telemetry.parser.js';

// A payload of so many bytes.
const fill = (bytes: number) => `{"a":1${' '.repeat(bytes - 7)}}`;

describe('the forms of a telemetry payload', () => {
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

describe('a message that cannot be taken apart', () => {
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
    const parsed = parseTelemetry(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), {
      receivedAt: NOW,
      retentionMs: DAY,
      metric: null,
    });
    expect(parsed.rejects[0]!.code).toBe('NOT_UTF8');
  });

  it('refuses more than 256 KiB and takes exactly that', () => {
    expect(reading(fill(262_144)).values).toBe('{"a":1}');
    expect(code(fill(262_145))).toBe('PAYLOAD_TOO_LARGE');
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
