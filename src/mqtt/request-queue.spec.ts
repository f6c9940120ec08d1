import { describe, expect, it } from '@jest/globals';
import { RequestQueue } from './request-queue.js';

const turn = () => new Promise(setImmediate);

/** Work that ends when it is told to, and says who has begun. */
class Desk {
  readonly queue = new RequestQueue();
  readonly begun: string[] = [];
  private readonly ends: (() => void)[] = [];

  add(client: string, bytes = 1): void {
    this.queue.add(client, bytes, () => {
      this.begun.push(client);
      return new Promise((resolve) => this.ends.push(resolve));
    });
  }

  async end(count: number): Promise<void> {
    for (const end of this.ends.splice(0, count)) end();
    await turn();
  }

  count(client: string): number {
    return this.begun.filter((one) => one === client).length;
  }
}

describe('A queue of requests', () => {
  it('works on 8 of one client at once, and on 32 in all', async () => {
    const desk = new Desk();
    for (const client of ['a', 'b', 'c', 'd', 'e']) for (let i = 0; i < 20; i++) desk.add(client);
    expect(desk.begun).toHaveLength(32);
    expect(['a', 'b', 'c', 'd', 'e'].map((client) => desk.count(client))).toEqual([8, 8, 8, 8, 0]);
    await desk.end(32);
    expect(desk.begun).toHaveLength(64);
    expect(desk.count('e')).toBe(8);
  });

  it('holds up nobody for a client whose requests never end', async () => {
    const desk = new Desk();
    for (let i = 0; i < 500; i++) desk.add('slow');
    desk.add('quick');
    expect([desk.count('slow'), desk.count('quick')]).toEqual([8, 1]);
  });

  it('runs everything once, in the order of each client', async () => {
    const queue = new RequestQueue();
    const order: number[] = [];
    for (let i = 0; i < 100; i++) queue.add('a', 1, async () => void order.push(i));
    for (let i = 0; i < 20 && order.length < 100; i++) await turn();
    expect(order).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  it('is full with 1,000 that wait, or with 16 MiB, and is not any more when they have begun', async () => {
    const many = new Desk();
    for (let i = 0; i < 8 + 999; i++) many.add('a');
    expect(many.queue.isFull).toBe(false);
    many.add('a');
    expect(many.queue.isFull).toBe(true);
    await many.end(8);
    expect(many.queue.isFull).toBe(false);

    const large = new Desk();
    for (let i = 0; i < 8 + 63; i++) large.add('a', 262_144);
    expect(large.queue.isFull).toBe(false);
    large.add('a', 262_144);
    expect(large.queue.isFull).toBe(true);
    await large.end(8);
    expect(large.queue.isFull).toBe(false);
  });
});
