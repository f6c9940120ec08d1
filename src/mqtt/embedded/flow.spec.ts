import { describe, expect, it } from '@jest/globals';
import { TokenBucket } from './flow.js';

describe('TokenBucket', () => {
  it('lets a burst of ten seconds through, and then the rate', () => {
    let now = 0;
    const bucket = new TokenBucket(20, () => now);
    const taken = (): number => {
      let count = 0;
      while (bucket.take()) count++;
      return count;
    };
    expect(taken()).toBe(200);
    now += 1_000;
    expect(taken()).toBe(20);
    now += 49;
    expect(taken()).toBe(0);
    now += 1;
    expect(taken()).toBe(1);
    now += 3_600_000;
    expect(taken()).toBe(200);
  });

  it('has no limit at a rate of 0', () => {
    const bucket = new TokenBucket(0, () => 0);
    for (let i = 0; i < 1_000; i++) expect(bucket.take()).toBe(true);
  });
});
