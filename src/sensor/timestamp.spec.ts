import { describe, expect, it } from '@jest/globals';
import { code, DAY, NOW, reading, reject } from '../../test/sensor/parse.js';

describe('the time of a reading', () => {
  it.each([
    [NOW / 1000, 'seconds'],
    [NOW / 1000 + 0.5, 'seconds'],
    [NOW * 1000, 'microseconds'],
    [NOW + 601_000, '10 minutes ahead'],
    ['2026-11-21T12:10:01Z', '10 minutes ahead'],
    [0, 'before 2000'],
    [-1, 'before 2000'],
    ['1999-12-31T23:59:59.999Z', 'before 2000'],
    ['2026-11-21T12:00:00', 'no zone'],
    ['2026-11-21 12:00', 'no zone'],
    ['yesterday', 'cannot be read'],
    ['', 'cannot be read'],
    ['2026-02-30T00:00:00Z', 'cannot be read'],
    [String(NOW), 'in quotes'],
    ['300000-01-01T00:00:00Z', 'cannot be read'],
  ])('refuses ts %j and says: %s', (ts, hint) => {
    for (const payload of [
      { ts, a: 1 },
      { ts, values: { a: 1 } },
    ]) {
      expect(reject(payload)).toMatchObject({ code: 'BAD_TIMESTAMP' });
      expect(reject(payload).detail).toContain(hint);
    }
  });

  it('takes a ts up to 10 minutes ahead and back to the retention, and no older one', () => {
    expect(reading({ ts: NOW + 600_000, a: 1 }).ts).toBe(NOW + 600_000);
    expect(reading({ ts: NOW - 90 * DAY, a: 1 }).ts).toBe(NOW - 90 * DAY);
    expect(code({ ts: NOW - 90 * DAY - 1, a: 1 })).toBe('TOO_OLD');
  });

  it('finds words for a time beyond all numbers', () => {
    const { code: found, detail } = reject([{ n: 'a', v: 1, bt: 1.7e308, t: 1.7e308 }]);
    expect(found).toBe('BAD_TIMESTAMP');
    expect(detail).toMatch(/too large a number/);
    expect(detail).not.toMatch(/Infinity/);
  });

  it('keeps for ever with a retention of 0', () => {
    expect(reading({ ts: '2000-01-01T00:00:00Z', a: 1 }, { retentionMs: 0 }).ts).toBe(946_684_800_000);
  });

  it('marks as historical what is told so or more than 5 minutes old', () => {
    expect(reading({ ts: NOW - 300_000, a: 1 }).historical).toBe(false);
    expect(reading({ ts: NOW - 300_001, a: 1 }).historical).toBe(true);
    expect(reading({ values: { a: 1 }, historical: true }).historical).toBe(true);
    expect(reading({ values: { a: 1 }, historical: false, ts: NOW - DAY }).historical).toBe(true);
  });
});
