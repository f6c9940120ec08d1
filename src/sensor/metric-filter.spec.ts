import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Json } from '../common/json.js';
import { pickMetrics } from './metric-filter.js';
import { isObject, metricsOf } from './values.js';
import { Refusal } from './sensor.errors.js';

const values = { t: 1, gone: null, gps: { lat: 1.5, lon: 2.5, deep: { er: [1, { x: 1 }] } }, 'a.b': 'literal' };
const pick = (...names: string[]) => pickMetrics(values, new Set(names));

describe('The metrics of a reading', () => {
  it('are picked by their flattened names, in the form in which they were sent', () => {
    expect(pick('t', 'gps.lat')).toEqual({ t: 1, gps: { lat: 1.5 } });
    expect(pick('gps.deep.er')).toEqual({ gps: { deep: { er: [1, { x: 1 }] } } });
    expect(pick('a.b', 'gone')).toEqual({ 'a.b': 'literal', gone: null });
  });

  it('are none where none of the names is one: an object is no metric, nor what an array holds', () => {
    expect(pick('gps')).toBeNull();
    expect(pick('gps.deep.er.x')).toBeNull();
    expect(pick('toString')).toBeNull();
    expect(pickMetrics(7, new Set(['7']))).toBeNull();
  });

  it('give the same as picking from the flattened ones', () => {
    const key = fc.constantFrom('a', 'b', 'c');
    const nested = fc.letrec<{ value: Json }>((tie) => ({
      value: fc.oneof({ depthSize: 'small' }, fc.integer(), fc.dictionary(key, tie('value')) as fc.Arbitrary<Json>),
    })).value;
    fc.assert(
      fc.property(fc.dictionary(key, nested), fc.subarray(['a', 'b.a', 'c.b.a', 'c.c', 'b']), (sent, names) => {
        const all = metricsOf(sent);
        if (all instanceof Refusal) return;
        const wanted = new Set(names);
        const expected = Object.fromEntries(Object.entries(all).filter(([name]) => wanted.has(name)));
        const picked = pickMetrics(sent, wanted);
        expect(picked === null ? {} : metricsOf(picked)).toEqual(expected);
        expect(picked === null || isObject(picked)).toBe(true);
      }),
    );
  });
});
