import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RateWindows } from './rate-windows.js';

describe('A window of a rate', () => {
  it('begins with the first count of its name and starts again when it is over', () => {
    const windows = new RateWindows(60_000);
    expect(windows.count('a', 1_000)).toEqual({ count: 1, leftMs: 60_000 });
    expect(windows.count('a', 60_999)).toEqual({ count: 2, leftMs: 1 });
    expect(windows.count('b', 60_999)).toEqual({ count: 1, leftMs: 60_000 });
    expect(windows.count('a', 61_000)).toEqual({ count: 1, leftMs: 60_000 });
  });

  it('never says more than were counted within its length, nor less than since its begin', () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 40 }), fc.constantFrom('a', 'b')), { maxLength: 200 });
    fc.assert(
      fc.property(steps, (counts) => {
        const windows = new RateWindows(100);
        const seen: { readonly name: string; readonly at: number }[] = [];
        let now = 0;
        for (const [step, name] of counts) {
          now += step;
          seen.push({ name, at: now });
          const { count, leftMs } = windows.count(name, now);
          const begin = now + leftMs - 100;
          expect(leftMs > 0 && leftMs <= 100).toBe(true);
          expect(count).toBe(seen.filter((other) => other.name === name && other.at >= begin).length);
        }
      }),
    );
  });

  it('is forgotten some time after it is over, so that memory is bounded', () => {
    const windows = new RateWindows(60_000);
    for (let i = 0; i < 100_000; i++) windows.count(`name-${i}`, i * 10);
    expect(windows.size).toBeLessThanOrEqual(12_001);
  });
});
