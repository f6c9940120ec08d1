import { describe, expect, it } from '@jest/globals';
import { type CommandResource, verdictOf } from './report.js';

const command = (status: string, final: boolean) => ({ status, final }) as CommandResource;

describe('The verdict on a command', () => {
  it.each([
    ['SUCCEEDED', true, 'succeeded'],
    ['ACKED', true, 'succeeded'],
    ['SENT', true, 'succeeded'],
    ['FAILED', true, 'failed'],
    ['REJECTED', true, 'failed'],
    ['TIMED_OUT', true, 'failed'],
    ['CANCELLED', true, 'failed'],
    ['EXPIRED', true, 'expired'],
    ['PENDING', false, 'open'],
    ['ACKED', false, 'open'],
  ])('that is %s (final: %s) is "%s"', (status, final, verdict) => {
    expect(verdictOf(command(status, final), true)).toBe(verdict);
  });

  it('is "accepted" where nobody waited for its end, unless it has ended all the same', () => {
    expect(verdictOf(command('SENT', false), false)).toBe('accepted');
    expect(verdictOf(command('EXPIRED', true), false)).toBe('expired');
  });
});
