import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Backoff } from './backoff.js';

const longest = (backoff: Backoff, failures: number): number[] =>
  Array.from({ length: failures }, () => backoff.next());

describe('Backoff', () => {
  it('doubles from a quarter of a second to half a minute', () => {
    const backoff = new Backoff(() => 1);
    expect(longest(backoff, 9)).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  });

  it('does not go beyond what it is given', () => {
    const backoff = new Backoff(() => 1);
    expect(Array.from({ length: 6 }, () => backoff.next(3_000))).toEqual([250, 500, 1_000, 2_000, 3_000, 3_000]);
  });

  it('waits a random part of that', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(20), (random, failures) => {
        const all = longest(new Backoff(() => 1), failures + 1);
        const some = longest(new Backoff(() => random), failures + 1);
        expect(some).toEqual(all.map((ms) => ms * random));
      }),
    );
  });

  it('comes back soon when a connection that was made is lost, and at once after a stable time', () => {
    const backoff = new Backoff(() => 1);
    longest(backoff, 20);
    backoff.connected();
    expect(backoff.next()).toBe(2_000);
    backoff.stable();
    expect(backoff.next()).toBe(250);
  });

  it('still slows down where every connection is lost again', () => {
    const backoff = new Backoff(() => 1);
    const waits = Array.from({ length: 6 }, () => {
      backoff.connected();
      return backoff.next();
    });
    expect(waits).toEqual([250, 500, 1_000, 2_000, 2_000, 2_000]);
  });
});
