import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { parseTime } from '../../common/clock.js';
import { drawFault, malformedPayload, wrongTimestamp } from './fault.js';
import { seededRandom } from './random.js';

const NOW = Date.UTC(2026, 6, 14);
const WHOLE = '{"values":{"temperature":21.5},"ts":1784000000000,"id":"x"}';

describe('a fault on purpose', () => {
  it('never happens at rate 0, always at rate 1, and about as often as asked in between, in all kinds', () => {
    const random = seededRandom(1, 0);
    const drawn = (rate: number) => Array.from({ length: 4_000 }, () => drawFault(random, rate));
    expect(drawn(0).every((fault) => fault === null)).toBe(true);
    expect(new Set(drawn(1))).toEqual(new Set(['malformed', 'badTimestamp', 'duplicate', 'disconnect']));
    const share = drawn(0.1).filter((fault) => fault !== null).length / 4_000;
    expect(share).toBeGreaterThan(0.08);
    expect(share).toBeLessThan(0.12);
  });

  it('makes payloads without a metric that could be stored', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const payload = malformedPayload(seededRandom(seed, 0), WHOLE);
        let value: { values?: object; temperature?: number };
        try {
          value = JSON.parse(payload) as typeof value;
        } catch {
          return;
        }
        expect(value.values === undefined ? value.temperature : Object.keys(value.values).length).toBe(
          value.values === undefined ? Infinity : 0,
        );
      }),
    );
  });

  it('makes times that are unreadable, before 2000 or more than 10 minutes ahead', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const time = parseTime(wrongTimestamp(seededRandom(seed, 0), NOW));
        expect(time === null || time < Date.UTC(2000, 0) || time > NOW + 600_000).toBe(true);
      }),
    );
  });
});
