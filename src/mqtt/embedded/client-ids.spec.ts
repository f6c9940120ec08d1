import { describe, expect, it } from '@jest/globals';
import type { Client } from 'aedes';
import fc from 'fast-check';
import { ClientIds } from './client-ids.js';

/** As much of a client as matters here. */
function newClient(): Client & { wasClosed: boolean } {
  const client = { wasClosed: false, close: () => void (client.wasClosed = true) };
  return client as unknown as Client & { wasClosed: boolean };
}

describe('ClientIds', () => {
  it('lets the first in at once, and closes whoever has the id for the next', async () => {
    const ids = new ClientIds();
    const [first, second] = [newClient(), newClient()];
    await ids.take('a', first);
    expect(ids.holderOf('a')).toBe(first);
    let isIn = false;
    const taken = ids.take('a', second).then(() => (isIn = true));
    expect([first.wasClosed, second.wasClosed, ids.holderOf('a')]).toEqual([true, false, second]);
    await Promise.resolve();
    expect(isIn).toBe(false);
    ids.leave(first);
    await taken;
    ids.leave(second);
    expect(ids.holderOf('a')).toBeNull();
  });

  it('lets each in once all before it have left, in whichever order they leave, and forgets the id after the last', async () => {
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 }), async (order) => {
        const ids = new ClientIds();
        const clients = order.map(() => newClient());
        const entered: number[] = [];
        const left = new Set<number>();
        const tooEarly: number[] = [];
        const enter = async (client: Client, n: number): Promise<void> => {
          await ids.take('a', client);
          if (!clients.slice(0, n).every((_, before) => left.has(before))) tooEarly.push(n);
          entered.push(n);
        };
        for (const [n, client] of clients.entries()) void enter(client, n);
        for (const n of order) {
          left.add(n);
          ids.leave(clients[n]!);
          ids.leave(clients[n]!);
          for (let turn = 0; turn < 3; turn++) await Promise.resolve();
          const firstThere = clients.findIndex((_, at) => !left.has(at));
          expect(entered.length).toBe(firstThere === -1 ? clients.length : firstThere + 1);
        }
        expect([entered, tooEarly]).toEqual([[0, 1, 2, 3, 4], []]);
        expect(ids.holderOf('a')).toBeNull();
      }),
    );
  });

  it('knows nothing of a client that took none', () => {
    const ids = new ClientIds();
    ids.leave(newClient());
    expect(ids.holderOf('a')).toBeNull();
  });
});
