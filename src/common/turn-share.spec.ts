import { describe, expect, it } from '@jest/globals';
import { TurnShare } from './turn-share.js';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('TurnShare', () => {
  it('does at once what one turn has room for, and the rest in the turns that follow, in its order', async () => {
    const share = new TurnShare(3);
    const done: number[] = [];
    for (let n = 0; n < 8; n++) share.do(() => done.push(n));
    expect(done).toEqual([0, 1, 2]);
    await nextTurn();
    expect(done).toEqual([0, 1, 2, 3, 4, 5]);
    await nextTurn();
    expect(done).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('lets nothing that comes later overtake what waits', async () => {
    const share = new TurnShare(2);
    const done: string[] = [];
    for (const name of ['a', 'b', 'c', 'd', 'e']) share.do(() => done.push(name));
    await nextTurn();
    share.do(() => done.push('f'));
    expect(done).toEqual(['a', 'b', 'c', 'd']);
    await nextTurn();
    expect(done).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
  });

  it('counts what a piece of work adds, and begins anew in the next turn', async () => {
    const share = new TurnShare(2);
    const done: string[] = [];
    share.do(() => {
      done.push('outer');
      share.do(() => done.push('inner'));
      share.do(() => done.push('later'));
    });
    expect(done).toEqual(['outer', 'inner']);
    await nextTurn();
    await nextTurn();
    share.do(() => done.push('after'));
    expect(done).toEqual(['outer', 'inner', 'later', 'after']);
  });
});
