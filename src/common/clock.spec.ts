import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatTime, parseTime } from './clock.js';

describe('parseTime', () => {
  it.each([
    ['2026-11-21T10:00:00Z', Date.UTC(2026, 10, 21, 10)],
    ['2026-11-21T10:00:00.5+02:00', Date.UTC(2026, 10, 21, 8, 0, 0, 500)],
    ['2026-11-21 10:00:00-05:30', Date.UTC(2026, 10, 21, 15, 30)],
    ['2026-11-21t10:00:00z', Date.UTC(2026, 10, 21, 10)],
    ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
    ['1763719200000', 1_763_719_200_000],
    [1_763_719_200_000, 1_763_719_200_000],
    [1_763_719_200_000.9, 1_763_719_200_000],
  ])('reads %j', (text, expected) => {
    expect(parseTime(text)).toBe(expected);
  });

  it.each([
    '2026-11-21T10:00:00', // no zone
    '2026-11-21',
    '2026-11-21T10:00:00+24:00',
    '2026-11-21T10:00:00+01:60',
    '2023-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-11-21T24:00:00Z',
    '300000-01-01T00:00:00Z',
    '0x10',
    '',
    'now',
    null,
    true,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1e300,
  ])('refuses %j', (value) => {
    expect(parseTime(value)).toBeNull();
  });

  it('reads back every time that it writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) }), (time) => {
        expect(parseTime(formatTime(time))).toBe(time);
      }),
    );
  });
});
