import { describe, expect, it } from '@jest/globals';
import { Tally } from './tally.js';

describe('the tally of a run', () => {
  it('knows the latency of acknowledgements in milliseconds to three digits, and nothing before the first', () => {
    const tally = new Tally();
    expect(tally.latency).toEqual({ p50: null, p99: null, max: null });
    for (let latency = 1; latency <= 1_000; latency++) tally.acknowledge(latency);
    expect(tally.latency.p50! / 500).toBeCloseTo(1, 2);
    expect(tally.latency.p99! / 990).toBeCloseTo(1, 2);
    expect(tally.latency.max! / 1_000).toBeCloseTo(1, 2);
    expect(tally.acknowledged).toBe(1_000);
  });

  it('counts a latency beyond an hour or below a microsecond all the same', () => {
    const tally = new Tally();
    tally.acknowledge(0);
    tally.acknowledge(1e12);
    expect(tally.acknowledged).toBe(2);
    expect(tally.latency.max).toBeGreaterThan(3_500_000);
  });

  it('counts the errors of a service by code, and never prints what is no code', () => {
    const tally = new Tally();
    for (const code of ['TOO_OLD', 'EMPTY', 'TOO_OLD', '\u001b[2J', undefined, 7]) tally.serviceError(code);
    expect(tally.serviceErrors).toEqual({ EMPTY: 1, OTHER: 3, TOO_OLD: 2 });
    for (let i = 0; i < 500; i++) tally.serviceError(`CODE_${i}`);
    expect(Object.keys(tally.serviceErrors).length).toBeLessThanOrEqual(101);
  });

  it('counts answers by status, and a command as answered when it is finished, not when it is under way', () => {
    const tally = new Tally();
    for (const status of [
      'accepted',
      'succeeded',
      'accepted',
      'progress',
      'failed',
      'rejected',
      'cancelled',
    ] as const) {
      tally.answer(status);
    }
    expect(tally.commandsAnswered).toBe(4);
    expect(tally.commands).toMatchObject({ accepted: 2, progress: 1, succeeded: 1 });
  });
});
