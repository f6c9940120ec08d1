import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { DAY, NOW, parse, reading, values } from '../../test/sensor/parse.js';
import { REJECT_CODES } from './sensor.errors.js';
import { parseTelemetry } from './telemetry.parser.js';

describe('parseTelemetry, for any input', () => {
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
        const parsed = parseTelemetry(bytes, { receivedAt: NOW, retentionMs: DAY, metric });
        expect(parsed.readings.length + parsed.rejects.length).toBeGreaterThan(0);
        for (const { code: given, detail } of parsed.rejects) {
          expect(REJECT_CODES).toHaveProperty(given);
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
        const indices = [...readings, ...rejects].map(({ index }) => index).toSorted((a, b) => a - b);
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
