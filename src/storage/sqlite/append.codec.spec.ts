import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { IdentityKind } from '../log.js';
import { packEvents, packReadings, rowCount, unpackEvents, unpackReadings, unpackVerdicts } from './append.codec.js';

const text = fc.string({ unit: 'binary', maxLength: 20 });
const identity = fc.constantFrom<IdentityKind>('id-ts', 'id', 'seq', 'hash', 'unique');
const link = fc.constantFrom('native' as const, 'foreign' as const);
const time = fc.integer({ min: 0, max: 8.64e15 });
const kind = fc.constantFrom('event' as const, 'presence' as const);
const common = { deviceId: text, link, ts: time, receivedAt: time, identity, key: text };

describe('rows on their way to the writer', () => {
  it('arrive as they were sent: readings', () => {
    const reading = fc.record({
      ...common,
      topic: text,
      seq: fc.option(fc.maxSafeInteger()),
      historical: fc.boolean(),
      values: text,
      metrics: fc.option(text),
    });
    fc.assert(
      fc.property(fc.array(reading), (readings) => {
        const entry = packReadings(readings);
        expect(rowCount(entry)).toBe(readings.length);
        expect([...unpackReadings(structuredClone(entry))]).toEqual(
          readings.map(({ values, ...row }) => ({ ...row, content: values })),
        );
      }),
    );
  });

  it('arrive as they were sent: events', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ ...common, kind, type: text, body: text })), (events) => {
        const entry = packEvents(events);
        expect(rowCount(entry)).toBe(events.length);
        expect([...unpackEvents(structuredClone(entry))]).toEqual(
          events.map(({ body, ...row }) => ({ ...row, content: body })),
        );
      }),
    );
  });

  it('get their verdicts back, with the details of those that failed', () => {
    expect(unpackVerdicts({ kind: 'append', verdicts: null, failures: [] }, 2)).toEqual([
      { outcome: 'stored' },
      { outcome: 'stored' },
    ]);
    const verdicts = Uint8Array.of(3, 0, 1, 2, 3);
    expect(unpackVerdicts({ kind: 'append', verdicts, failures: ['a', 'b'] }, 5)).toEqual([
      { outcome: 'failed', detail: 'a' },
      { outcome: 'stored' },
      { outcome: 'duplicate' },
      { outcome: 'conflict' },
      { outcome: 'failed', detail: 'b' },
    ]);
  });
});
