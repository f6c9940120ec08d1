import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { shareOf } from './seat.repository.js';

describe('shareOf', () => {
  it('deals all leases to the replicas, none more than one above another', () => {
    const replicas = fc.uniqueArray(fc.uuid(), { minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(fc.nat(64), replicas, (names, all) => {
        const shares = all.map((self) => shareOf(names, all, self));
        expect(shares.reduce((sum, share) => sum + share, 0)).toBe(names);
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('counts a replica that does not see itself yet, and nobody twice', () => {
    expect(shareOf(4, [], 'a')).toBe(4);
    expect(shareOf(4, ['b', 'b'], 'a')).toBe(2);
    expect(shareOf(4, ['a', 'b'], 'a')).toBe(2);
  });

  it('gives what is left over to the oldest', () => {
    expect(['1', '2', '3'].map((self) => shareOf(4, ['3', '1', '2'], self))).toEqual([2, 1, 1]);
    expect(['1', '2', '3'].map((self) => shareOf(2, ['3', '1', '2'], self))).toEqual([1, 1, 0]);
  });
});
