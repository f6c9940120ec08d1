import { describe, expect, it } from '@jest/globals';
import { LastHeard } from './last-heard.js';

describe('LastHeard', () => {
  it('gives what was noted since the last call, the newest time of each device', () => {
    const heard = new LastHeard();
    heard.note('a', 1);
    heard.note('b', 2);
    heard.note('a', 3);
    expect(heard.at('a')).toBe(3);
    expect([...heard.take()]).toEqual([
      ['a', 3],
      ['b', 2],
    ]);
    expect([...heard.take()]).toEqual([]);
    expect(heard.at('a')).toBeNull();
  });

  it('takes back what could not be kept, but not over what was heard since', () => {
    const heard = new LastHeard();
    heard.note('a', 1);
    heard.note('b', 1);
    const taken = heard.take();
    heard.note('a', 5);
    heard.giveBack(taken);
    expect([...heard.take()]).toEqual([
      ['a', 5],
      ['b', 1],
    ]);
  });

  it('forgets a device', () => {
    const heard = new LastHeard();
    heard.note('a', 1);
    heard.forget('a');
    expect(heard.take().size).toBe(0);
  });

  it('is bounded: made-up ids cannot push out those it knows, nor fill the memory', () => {
    const heard = new LastHeard();
    for (let i = 0; i < 60_000; i++) heard.note(`device-${i}`, 1);
    heard.note('device-7', 2);
    heard.giveBack([['late', 1]]);
    const taken = heard.take();
    expect(taken.size).toBe(50_000);
    expect(taken.get('device-7')).toBe(2);
  });
});
