import { describe, expect, it } from '@jest/globals';
import { Throttle } from './throttle.js';

describe('a throttle', () => {
  it('admits a key once per interval, and others beside it', () => {
    const throttle = new Throttle(1000, 10);
    const admitted = [0, 1, 999, 1000, 1999, 2000].map((now) => throttle.admit('a', now));
    expect(admitted).toEqual([true, false, false, true, false, true]);
    expect(throttle.admit('b', 2000)).toBe(true);
  });

  it('lets new keys wait while it is full, and forgets those of the last interval', () => {
    const throttle = new Throttle(1000, 2);
    expect(['a', 'b', 'c'].map((key) => throttle.admit(key, 0))).toEqual([true, true, false]);
    expect(['c', 'd', 'e'].map((key) => throttle.admit(key, 1000))).toEqual([true, true, false]);
  });
});
