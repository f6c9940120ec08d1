import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Lockout } from './lockout.js';

const RULE = { events: 3, withinMs: 100, lockMs: 50, capacity: 4 };

describe('Lockout', () => {
  let now: number;
  let lockout: Lockout;
  beforeEach(() => {
    now = 0;
    lockout = new Lockout(RULE, () => now);
  });

  it('locks a key at the last of so many events, for as long as it says, and no other key', () => {
    expect([lockout.note('a'), lockout.note('a'), lockout.isLocked('a'), lockout.note('a')]).toEqual([
      false,
      false,
      false,
      true,
    ]);
    now = 49;
    expect([lockout.isLocked('a'), lockout.isLocked('b')]).toEqual([true, false]);
    now = 50;
    expect(lockout.isLocked('a')).toBe(false);
  });

  it('counts only events that are not too long ago', () => {
    lockout.note('a');
    lockout.note('a');
    now = 100;
    expect(lockout.note('a')).toBe(false);
    now = 199;
    lockout.note('a');
    expect(lockout.note('a')).toBe(true);
  });

  it('begins anew after a lock, which nothing that happens meanwhile makes longer', () => {
    for (let i = 0; i < 3; i++) lockout.note('a');
    now = 49;
    for (let i = 0; i < 5; i++) expect(lockout.note('a')).toBe(false);
    now = 51;
    expect(lockout.isLocked('a')).toBe(false);
    lockout.note('a');
    expect(lockout.note('a')).toBe(false);
    expect(lockout.note('a')).toBe(true);
  });

  it('forgets a key', () => {
    lockout.note('a');
    lockout.note('a');
    lockout.forget('a');
    expect(lockout.note('a')).toBe(false);
    expect(lockout.size).toBe(1);
  });

  it('remembers so many keys and no more, and of those that are tried least', () => {
    for (let i = 0; i < 3; i++) lockout.note('victim');
    for (let i = 0; i < 100; i++) {
      lockout.note(`other ${i}`);
      expect(lockout.isLocked('victim')).toBe(true);
    }
    expect(lockout.size).toBe(4);
    for (let i = 0; i < 4; i++) lockout.note(`more ${i}`);
    expect(lockout.isLocked('victim')).toBe(false);
  });

  it('never lets as many events as lock a key happen within the time without a lock', () => {
    const steps = fc.array(fc.integer({ min: 0, max: 80 }), { maxLength: 60 });
    fc.assert(
      fc.property(steps, (waits) => {
        let at = 0;
        const one = new Lockout(RULE, () => at);
        const passed: number[] = [];
        for (const wait of waits) {
          at += wait;
          if (one.isLocked('a')) continue;
          passed.push(at);
          one.note('a');
        }
        for (let i = 3; i < passed.length; i++) {
          // The fourth of four in a row would have met the lock that the third began.
          expect(passed[i]! - passed[i - 3]!).toBeGreaterThanOrEqual(RULE.lockMs);
        }
      }),
    );
  });
});
