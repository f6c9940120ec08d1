import { beforeEach, describe, expect, it } from '@jest/globals';
import { LoginLimiter } from './login-limiter.js';

const HERE = '192.0.2.1';
const MINUTE = 60_000;

describe('LoginLimiter', () => {
  let now: number;
  let limiter: LoginLimiter;
  beforeEach(() => {
    now = 0;
    limiter = new LoginLimiter(() => now);
  });

  const fail = (id: string, times = 1, address = HERE): void => {
    for (let i = 0; i < times; i++) limiter.failed(id, address);
  };

  it('locks a pair of id and address at the fifth failure, for ten minutes', () => {
    fail('a', 4);
    expect(limiter.isLocked('a', HERE)).toBe(false);
    expect(limiter.failed('a', HERE)).toEqual({ holdMs: 0, began: 'lock' });
    now = 10 * MINUTE - 1;
    expect(limiter.isLocked('a', HERE)).toBe(true);
    expect([limiter.isLocked('b', HERE), limiter.isLocked('a', '192.0.2.2')]).toEqual([false, false]);
    now = 10 * MINUTE;
    expect(limiter.isLocked('a', HERE)).toBe(false);
  });

  it('forgets failures after a good login, and after five minutes', () => {
    fail('a', 4);
    limiter.succeeded('a', HERE);
    fail('a', 4);
    expect(limiter.isLocked('a', HERE)).toBe(false);
    now = 5 * MINUTE;
    fail('a', 4);
    expect(limiter.isLocked('a', HERE)).toBe(false);
  });

  it('counts all addresses of an IPv6 /64 as one', () => {
    for (let i = 0; i < 5; i++) fail('a', 1, `2001:db8::${i}`);
    expect(limiter.isLocked('a', '2001:db8::ffff')).toBe(true);
    expect(limiter.isLocked('a', '2001:db8:0:1::1')).toBe(false);
  });

  it('slows an address at its fiftieth failure: one answer a second, eight waiting, the rest at once', () => {
    for (let i = 0; i < 49; i++) expect(limiter.failed(`d${i}`, HERE).holdMs).toBe(0);
    expect(limiter.failed('d49', HERE)).toEqual({ holdMs: 1_000, began: 'slow' });
    const holds = Array.from({ length: 9 }, (_, i) => limiter.failed(`e${i}`, HERE).holdMs);
    expect(holds).toEqual([2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000, null, null]);
    now = 1_000;
    expect(limiter.failed('f', HERE).holdMs).toBe(8_000);
    expect(limiter.failed('f', '192.0.2.2').holdMs).toBe(0);
    now = 5 * MINUTE;
    expect(limiter.failed('g', HERE).holdMs).toBe(0);
  });

  it('slows an address by what is tried with many ids, not by one that is locked', () => {
    fail('stubborn', 1_000);
    expect(limiter.failed('a', HERE).holdMs).toBe(0);
  });

  it('holds back what a locked pair is answered as any other answer to a slowed address', () => {
    fail('locked', 5);
    for (let i = 0; i < 45; i++) fail(`d${i}`);
    expect(limiter.failed('locked', HERE).holdMs).toBe(2_000);
  });
});
