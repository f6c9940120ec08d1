import { beforeEach, describe, expect, it } from '@jest/globals';
import type { RetainedMessage, RetainedStore } from '../retained.store.js';
import { RetainedMessages } from './retained-messages.js';

const message = (n: number, size = 5): RetainedMessage => ({
  topic: `devices/a/up/${n}`,
  payload: Buffer.alloc(65_536).subarray(0, size),
  qos: 1,
});

describe('RetainedMessages', () => {
  let retained: RetainedMessages;
  beforeEach(() => {
    const write = async (): Promise<void> => {};
    const store = { load: async () => [], put: write, remove: write } satisfies RetainedStore;
    retained = new RetainedMessages(store, 'devices');
  });

  it('gives the place of a message back that was withdrawn, and only that', async () => {
    for (let n = 0; n < 40; n++) {
      const rejected = message(n);
      expect(retained.admit(rejected, 'a')).toBeNull();
      retained.withdraw(rejected);
      retained.withdraw(rejected);
    }
    for (let n = 0; n < 16; n++) {
      const kept = message(n);
      expect(retained.admit(kept, 'a')).toBeNull();
      await retained.commit(kept);
      const update = message(n, 9);
      expect(retained.admit(update, 'a')).toBeNull();
      retained.withdraw(update);
    }
    expect(retained.admit(message(16), 'a')).toContain('more than 16');
  });

  it('counts a message that is being written while a later one is withdrawn', async () => {
    for (let n = 0; n < 16; n++) {
      const [earlier, later] = [message(n), message(n)];
      for (const each of [earlier, later]) expect(retained.admit(each, 'a')).toBeNull();
      retained.withdraw(later);
      await retained.commit(earlier);
    }
    expect(retained.admit(message(16), 'a')).toContain('more than 16');
  });

  it('ends with the message that arrived last, whichever the store takes first', async () => {
    const written: number[] = [];
    let isAway = true;
    const put = async ({ payload }: RetainedMessage): Promise<void> => {
      if (isAway) throw new Error('away');
      written.push(payload.length);
    };
    retained = new RetainedMessages({ load: async () => [], put, remove: async () => {} }, 'devices');
    const [first, second, third] = [message(1, 1), message(1, 2), message(1, 3)];
    for (const each of [first, second, third]) retained.admit(each, 'a');
    await expect(retained.commit(first)).rejects.toThrow('away');
    isAway = false;
    await retained.commit(second);
    await retained.commit(first);
    retained.withdraw(third);
    expect(written).toEqual([2]);
    expect([...retained.matching(['#'])].map(({ payload }) => payload.length)).toEqual([2]);
  });

  it('keeps payloads and not the chunks that they were read in', async () => {
    const kept = message(1);
    retained.admit(kept, 'a');
    await retained.commit(kept);
    const [found] = [...retained.matching(['#'])];
    expect(found!.payload.buffer.byteLength).toBe(5);
  });
});
