import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { between, pick, seededRandom } from './random.js';

describe('the seeded source of numbers', () => {
  it('repeats itself for the same seed and stream, and stays in [0, 1)', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(40_000), (seed, stream) => {
        const [a, b] = [seededRandom(seed, stream), seededRandom(seed, stream)];
        for (let i = 0; i < 20; i++) {
          const value = a();
          expect(value).toBe(b());
          expect(value).toBeGreaterThanOrEqual(0);
          expect(value).toBeLessThan(1);
        }
      }),
    );
  });

  it('is spread evenly, in one stream and over the first numbers of many', () => {
    const random = seededRandom(1, 0);
    const tenths = Array.from({ length: 10 }, () => 0);
    for (let i = 0; i < 10_000; i++) tenths[Math.floor(random() * 10)]! += 1;
    for (let i = 0; i < 10_000; i++) tenths[Math.floor(seededRandom(1, i)() * 10)]! += 1;
    for (const count of tenths) expect(Math.abs(count - 2_000)).toBeLessThan(250);
  });

  it('draws from a range and from a list', () => {
    expect(between(() => 0.5, 10, 20)).toBe(15);
    expect(pick(() => 0.99, ['a', 'b', 'c'])).toBe('c');
  });
});
