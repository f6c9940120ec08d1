import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { defineErrors } from '../common/errors.js';
import { Holding } from './holding.js';

const { AWAY } = defineErrors({ AWAY: { status: 503, title: 'Away' } });
const always = (): boolean => true;

describe('Holding', () => {
  let holding: Holding;
  let isAway: boolean;
  let tried: number[];
  const work = (n: number) => async (): Promise<number> => {
    tried.push(n);
    await Promise.resolve();
    if (isAway) throw AWAY('not now');
    return n;
  };

  beforeEach(() => {
    jest.useFakeTimers();
    holding = new Holding();
    isAway = true;
    tried = [];
  });
  afterEach(() => {
    holding.stop();
    jest.useRealTimers();
  });

  it('does the work once where it succeeds, and gives its result', async () => {
    isAway = false;
    expect(await holding.through(work(7), always)).toBe(7);
    expect(tried).toEqual([7]);
  });

  it('hands an error on at once that does not pass by itself', async () => {
    const broken = (): Promise<never> => Promise.reject(new Error('broken'));
    await expect(holding.through(broken, always)).rejects.toThrow('broken');
  });

  it('tries one at a time while it is away, and all of them in order as soon as one succeeds', async () => {
    const works = Array.from({ length: 500 }, (_, n) => holding.through(work(n), always));
    await jest.advanceTimersByTimeAsync(0);
    expect(holding.size).toBe(500);
    tried.length = 0;
    await jest.advanceTimersByTimeAsync(60_000);
    expect(tried.length).toBeGreaterThan(25);
    expect(tried.length).toBeLessThan(70);
    expect(new Set(tried)).toEqual(new Set([0]));
    isAway = false;
    tried.length = 0;
    await jest.advanceTimersByTimeAsync(2_000);
    expect(await Promise.all(works)).toEqual(tried);
    expect(tried).toEqual(works.map((_, n) => n));
  });

  it('gives up what nobody wants any more, within 2 s and without trying it again', async () => {
    let isWanted = true;
    const works = [1, 2, 3].map((n) => holding.through(work(n), () => n === 1 || isWanted));
    const ends = Promise.allSettled(works.slice(1));
    await jest.advanceTimersByTimeAsync(5_000);
    isWanted = false;
    tried.length = 0;
    await jest.advanceTimersByTimeAsync(2_000);
    expect((await ends).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(tried).not.toContain(2);
    expect(holding.size).toBe(1);
    isAway = false;
    await jest.advanceTimersByTimeAsync(2_000);
    expect(await works[0]).toBe(1);
  });

  it('gives up everything at a stop, and tries nothing again from then on', async () => {
    const works = Promise.allSettled([1, 2].map((n) => holding.through(work(n), always)));
    await jest.advanceTimersByTimeAsync(1_000);
    holding.stop();
    for (const { status } of await works) expect(status).toBe('rejected');
    await expect(holding.through(work(3), always)).rejects.toMatchObject({ code: 'AWAY' });
    expect(jest.getTimerCount()).toBe(0);
  });
});
