import { describe, expect, it } from '@jest/globals';
import { NOW, reading } from '../../test/sensor/parse.js';

describe('the identity of a reading', () => {
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
