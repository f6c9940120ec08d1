import { describe, expect, it } from '@jest/globals';
import { Gate } from './gate.js';

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const turns = async (): Promise<void> => {
  for (let i = 0; i < 10; i++) await settle();
};

describe('Gate', () => {
  const create = (mostPerTurn = 1_000, waitMs = 5_000) => {
    const gate = new Gate(10, mostPerTurn, waitMs);
    const inside: string[] = [];
    const leave = new Map<string, () => void>();
    const enter = (name: string, weight: number) =>
      gate.through(weight, () => {
        inside.push(name);
        return new Promise<void>((resolve) => leave.set(name, resolve));
      });
    return { gate, inside, leave, enter };
  };

  it('lets in what has room, in order, and the rest as others leave', async () => {
    const { inside, leave, enter } = create();
    const all = [enter('a', 6), enter('b', 5), enter('c', 1)];
    await turns();
    expect(inside).toEqual(['a']);
    leave.get('a')!();
    await turns();
    expect(inside).toEqual(['a', 'b', 'c']);
    leave.get('b')!();
    leave.get('c')!();
    await Promise.all(all);
  });

  it('lets in alone what is heavier than all its room', async () => {
    const { inside, leave, enter } = create();
    const all = [enter('heavy', 11), enter('light', 1)];
    await turns();
    expect(inside).toEqual(['heavy']);
    leave.get('heavy')!();
    await turns();
    expect(inside).toEqual(['heavy', 'light']);
    leave.get('light')!();
    await Promise.all(all);
  });

  it('gives the room back of work that failed', async () => {
    const { gate } = create();
    await expect(gate.through(10, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await gate.through(10, () => Promise.resolve('in'))).toBe('in');
  });

  it('lets in a part per turn of the event loop', async () => {
    const { inside, enter } = create(2);
    for (const name of 'abcde') void enter(name, 1);
    await settle();
    expect(inside.length).toBeLessThanOrEqual(2);
    await turns();
    expect(inside.join('')).toBe('abcde');
  });

  it('refuses what had no room in time, and lets in what waited behind it', async () => {
    const { inside, leave, enter } = create(1_000, 30);
    void enter('a', 5);
    await turns();
    const late = enter('late', 10);
    await expect(late).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    void enter('b', 5);
    await turns();
    expect(inside).toEqual(['a', 'b']);
    leave.get('a')!();
  });
});
