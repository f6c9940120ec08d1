import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { partitionName, startOfWeek, weekOf, weekOfPartition } from './week.js';

const time = fc.integer({ min: Date.UTC(1901, 0, 1), max: Date.UTC(9998, 0, 1) });

describe('weeks of readings', () => {
  it('begin on Monday at 00:00 UTC, hold their times, and are found again by the name of their partition', () => {
    fc.assert(
      fc.property(time, (ts) => {
        const week = weekOf(ts);
        expect(startOfWeek(week)).toBeLessThanOrEqual(ts);
        expect(startOfWeek(week + 1)).toBeGreaterThan(ts);
        expect(new Date(startOfWeek(week)).getUTCDay()).toBe(1);
        expect(weekOfPartition(partitionName(week))).toBe(week);
      }),
    );
  });

  it('have names that say their Monday', () => {
    expect(partitionName(weekOf(Date.UTC(2026, 10, 8, 23, 59)))).toBe('readings_20261102');
    expect(partitionName(weekOf(Date.UTC(2026, 10, 9)))).toBe('readings_20261109');
    expect(partitionName(weekOf(1))).toBe('readings_19691229');
    expect(weekOfPartition('readings_old')).toBeNull();
  });

  it.each([NaN, Infinity, -1e15, 8.64e15])('are not there for %p', (ts) => {
    expect(() => weekOf(ts)).toThrow(RangeError);
  });
});
