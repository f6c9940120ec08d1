import { describe, expect, it } from '@jest/globals';
import { Flow, TokenBucket } from './flow.js';

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

describe('Flow', () => {
  it('gives a client id that comes back the bucket that it left', () => {
    const flow = new Flow(10);
    const bucket = flow.bucketOf('a');
    while (bucket.take());
    flow.bucketOf('b');
    expect(flow.bucketOf('a')).toBe(bucket);
  });

  it('forgets buckets that are full again, and beyond its bound those that were used longest ago', () => {
    const flow = new Flow(10, undefined, undefined, 2);
    const emptied = (id: string): TokenBucket => {
      const bucket = flow.bucketOf(id);
      while (bucket.take());
      return bucket;
    };
    const full = flow.bucketOf('full');
    const [a, b] = [emptied('a'), emptied('b')];
    expect([flow.bucketOf('a') === a, flow.bucketOf('full') === full, flow.bucketOf('b') === b]).toEqual([
      true,
      false,
      false,
    ]);
  });
});
