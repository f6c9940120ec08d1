import { describe, expect, it } from '@jest/globals';
import { isBulk, weightOf } from './weight.js';

const weight = (payload: unknown) =>
  weightOf(Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)));

describe('The weight of a payload', () => {
  it('is 1 for an ordinary reading, however many metrics it has', () => {
    expect(weight({ temperature: 21.5, humidity: 40, pressure: 1013 })).toBe(1);
    expect(weight('21.5')).toBe(1);
    expect(weight('')).toBe(1);
  });

  it('is never less than the items of an array, and at most 1,000 but for the size', () => {
    for (const items of [1, 16, 17, 500, 1_000]) expect(weight(Array(items).fill(1))).toBeGreaterThanOrEqual(items);
    expect(weight(` \n\ufeff[${'1,'.repeat(50)}1]`)).toBeGreaterThanOrEqual(51);
    expect(weight(`[${','.repeat(2_000)}]`)).toBe(1_000 + Math.floor(2_002 / 256));
  });

  it('grows with the size', () => {
    expect(weight({ text: 'x'.repeat(256 * 1024) })).toBeGreaterThan(1_000);
  });

  it('makes bulk of long arrays and of large payloads, not of ordinary readings', () => {
    const bulk = [Array(17).fill(1), { text: 'x'.repeat(5_000) }];
    const light = [Array(10).fill(1), { temperature: 21.5 }];
    expect(bulk.map((payload) => isBulk(Buffer.from(JSON.stringify(payload))))).toEqual([true, true]);
    expect(light.map((payload) => isBulk(Buffer.from(JSON.stringify(payload))))).toEqual([false, false]);
  });
});
