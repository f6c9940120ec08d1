import { describe, expect, it } from '@jest/globals';
import { StatusOrder } from './status.order.js';

const items = (deviceId: string, ...arrivals: number[]) => arrivals.map((arrival) => ({ deviceId, arrival }));

describe('StatusOrder', () => {
  it('keeps one batch after the other, although the first takes longer', async () => {
    const order = new StatusOrder();
    const kept: number[] = [];
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    const first = order.through(items('a', 1), async () => {
      await gate;
      kept.push(1);
    });
    const second = order.through(items('a', 2), async () => void kept.push(2));
    open();
    await Promise.all([first, second]);
    expect(kept).toEqual([1, 2]);
  });

  it('leaves out what is tried again after something newer of its device was kept, and nothing of others', async () => {
    const order = new StatusOrder();
    const old = [...items('a', 1), ...items('b', 2)];
    await expect(order.through(old, () => Promise.reject(new Error('away')))).rejects.toThrow('away');
    await order.through(items('a', 3), async () => {});
    const again: unknown[] = [];
    await order.through(old, async (news) => void again.push(...news));
    expect(again).toEqual(items('b', 2));
  });

  it('keeps all that came of a device in one batch, and the same batch again', async () => {
    const order = new StatusOrder();
    const batch = items('a', 1, 2);
    const kept: unknown[] = [];
    await expect(order.through(batch, () => Promise.reject(new Error('away')))).rejects.toThrow('away');
    await order.through(batch, async (news) => void kept.push(...news));
    expect(kept).toEqual(batch);
  });
});
