import type { AedesPublishPacket } from 'aedes';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { RetainedMessages } from './retained-messages.js';
import { SessionStore } from './session.store.js';

const LIMITS = { offlineQueue: 3, onlineQueue: 5, sessionBytes: 100, totalBytes: 150, sessions: 2, maxAgeMs: 60_000 };

function packet(brokerCounter: number): AedesPublishPacket {
  const payload = Buffer.from(`${brokerCounter}`);
  return { cmd: 'publish', brokerId: 'b', brokerCounter, topic: 't', payload, qos: 1, retain: false, dup: false };
}

describe('SessionStore', () => {
  let dropped: string[];
  let store: SessionStore;
  beforeEach(() => {
    dropped = [];
    store = new SessionStore({
      retained: {} as RetainedMessages,
      isRefused: () => false,
      onDropped: (why) => dropped.push(why),
      isOfTheMoment: (clientId, topic) => topic === `${clientId}/now`,
      mayGet: (_, clientId) => clientId !== 'other',
      limits: LIMITS,
    });
  });

  async function queued(id: string): Promise<number[]> {
    const packets = (await store.outgoingStream({ id, _nextId: 1 }).toArray()) as AedesPublishPacket[];
    return packets.map(({ brokerCounter }) => brokerCounter);
  }

  it('counts the same message for two overlapping filters of one client once', async () => {
    await store.addSubscriptions({ id: 'a' }, [
      { topic: 't', qos: 1 },
      { topic: '#', qos: 1 },
    ]);
    await store.outgoingEnqueueCombi(await store.subscriptionsByTopic('t'), packet(1));
    expect(await queued('a')).toEqual([1]);
  });

  it('keeps the oldest messages of a client that is away, and drops the newest that it was sent when it leaves', async () => {
    await store.addSubscriptions({ id: 'a' }, [{ topic: 't', qos: 1 }]);
    for (let i = 1; i <= 5; i++) await store.outgoingUpdate({ id: 'a' }, { ...packet(i), messageId: i });
    await expect(store.outgoingUpdate({ id: 'a' }, { ...packet(6), messageId: 6 })).rejects.toThrow('too many');
    store.disconnected('a', false, 'owner');
    expect(await queued('a')).toEqual([1, 2, 3]);
    await store.outgoingEnqueue({ clientId: 'a' }, packet(7));
    expect(await queued('a')).toEqual([1, 2, 3]);
    expect(dropped).toEqual(Array.from({ length: 4 }, () => 'offline_queue'));
  });

  it('keeps as many bytes for one session, and for all, as its bounds say, and counts them again when they go', async () => {
    const big = (counter: number): AedesPublishPacket => ({ ...packet(counter), payload: Buffer.alloc(59) });
    for (const id of ['a', 'b']) {
      await store.addSubscriptions({ id }, [{ topic: 't', qos: 1 }]);
      store.disconnected(id, false, 'owner');
    }
    await store.outgoingEnqueue({ clientId: 'a' }, big(1));
    await store.outgoingEnqueue({ clientId: 'a' }, big(2)); // over the bound of one session
    expect(await queued('a')).toEqual([1]);
    for (const id of ['c', 'd']) await store.outgoingEnqueue({ clientId: id }, big(3)); // connected, and may
    await store.outgoingEnqueue({ clientId: 'b' }, big(3)); // over the bound of all
    expect(await queued('b')).toEqual([]);
    for (const id of ['a', 'c']) await store.outgoingClearMessageId({ id }, { brokerCounter: id === 'a' ? 1 : 3 });
    await store.outgoingEnqueue({ clientId: 'b' }, big(4));
    expect(await queued('b')).toEqual([4]);
    await store.cleanSubscriptions({ id: 'b' });
    await store.outgoingEnqueue({ clientId: 'a' }, big(5));
    expect(await queued('a')).toEqual([5]);
    expect(dropped).toEqual(['offline_queue', 'offline_queue']);
  });

  it('sends a client that is back nothing that was for the moment only, and frees its packet id', async () => {
    await store.outgoingUpdate({ id: 'a' }, { ...packet(1), topic: 'a/now', messageId: 5 });
    await store.outgoingEnqueue({ clientId: 'a' }, packet(2));
    await store.outgoingEnqueue({ clientId: 'b' }, { ...packet(1), topic: 'a/now' });
    expect([await queued('a'), await queued('b')]).toEqual([[2], [1]]);
    expect(store.isInFlight('a', 5)).toBe(false);
  });

  it('keeps a payload and not the chunk that it was read in', async () => {
    const payload = Buffer.alloc(65_536).subarray(10, 20);
    await store.outgoingEnqueue({ clientId: 'a' }, { ...packet(1), payload });
    const [kept] = (await store.outgoingStream({ id: 'a', _nextId: 1 }).toArray()) as AedesPublishPacket[];
    expect((kept!.payload as Buffer).buffer.byteLength).toBe(10);
  });

  it('forgets the session that is away longest when there are too many, with its subscriptions', async () => {
    for (const id of ['a', 'b', 'c']) {
      await store.addSubscriptions({ id }, [{ topic: id, qos: 1 }]);
      store.disconnected(id, false, 'owner');
    }
    expect(['a', 'b', 'c'].map((topic) => store.hasSubscriber(topic))).toEqual([false, true, true]);
    expect(dropped).toEqual(['session']);
  });

  it('keeps a session whose client came back', async () => {
    await store.addSubscriptions({ id: 'a' }, [{ topic: 'a', qos: 1 }]);
    store.disconnected('a', false, 'owner');
    store.connected('a');
    for (const id of ['b', 'c']) {
      await store.addSubscriptions({ id }, [{ topic: id, qos: 1 }]);
      store.disconnected(id, false, 'owner');
    }
    expect(store.hasSubscriber('a')).toBe(true);
  });

  it('ends what is left of a clean session', async () => {
    await store.incomingStorePacket({ id: 'a' }, { messageId: 1 });
    store.disconnected('a', true, 'owner');
    expect(store.halfOpen.count('a')).toBe(0);
  });

  it('gives what waits packet ids that nothing in flight has, and leaves those that are known', async () => {
    await store.outgoingUpdate({ id: 'a' }, { ...packet(1), messageId: 8 });
    for (const counter of [2, 3]) await store.outgoingEnqueue({ clientId: 'a' }, packet(counter));
    const client = { id: 'a', _nextId: 7 };
    const packets = (await store.outgoingStream(client).toArray()) as AedesPublishPacket[];
    expect(packets.map(({ messageId }) => messageId)).toEqual([8, 7, 9]);
    expect(client._nextId).toBe(10);
  });

  it('follows a QoS 2 message out through PUBREC to PUBCOMP', async () => {
    await store.outgoingEnqueue({ clientId: 'a' }, packet(1));
    await store.outgoingUpdate({ id: 'a' }, { ...packet(1), messageId: 9 });
    await store.outgoingUpdate({ id: 'a' }, { cmd: 'pubrel', messageId: 9 });
    expect(await store.outgoingStream({ id: 'a', _nextId: 1 }).toArray()).toEqual([{ cmd: 'pubrel', messageId: 9 }]);
    expect(await store.outgoingClearMessageId({ id: 'a' }, { messageId: 9 })).toMatchObject({ cmd: 'pubrel' });
    expect(await queued('a')).toEqual([]);
    await expect(store.outgoingUpdate({ id: 'a' }, { cmd: 'pubrel', messageId: 9 })).rejects.toThrow();
  });
});
