import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { unavailable } from '../../src/storage/storage.errors.js';
import { eventually } from '../support/eventually.js';
import { type Box, startBox } from './support/box.js';
import { MemoryRetainedStore } from './support/memory-retained.store.js';
import { publishPacket, RawClient } from './support/raw-client.js';

const TOPIC = 'devices/a/up/telemetry';

/** A store that can be away. */
class FailingRetainedStore extends MemoryRetainedStore {
  isAway = false;
  refused = 0;

  override async put(message: Parameters<MemoryRetainedStore['put']>[0]): Promise<void> {
    if (this.isAway) {
      this.refused++;
      throw unavailable('away');
    }
    await super.put(message);
  }
}

describe('While handlers say "not now"', () => {
  let box: Box;
  let store: FailingRetainedStore;
  let isAway: boolean;
  let accepted: string[];

  beforeEach(async () => {
    store = new FailingRetainedStore();
    box = await startBox({ store });
    isAway = true;
    accepted = [];
    box.recorder.behaviour = async ({ messages }) => {
      await Promise.resolve();
      if (isAway) throw unavailable('away');
      accepted.push(...messages.map(({ payload }) => payload.toString()));
    };
  });
  afterEach(async () => {
    await box.close();
  });

  it('a client that pings stays connected, and gets its acknowledgements in order when they take it', async () => {
    const client = await RawClient.connect(box.port, 'a', { keepalive: 1 });
    const qos = (i: number) => (i % 3) as 0 | 1 | 2;
    const packets = Array.from({ length: 200 }, (_, i) =>
      publishPacket(TOPIC, `${i}`, qos(i), qos(i) ? i + 1 : undefined),
    );
    client.send(...packets.slice(0, 100));
    const end = performance.now() + 4_000;
    while (performance.now() < end) await client.ping();
    client.send(...packets.slice(100));
    await client.ping();
    expect(client.ended).toBe(false);
    expect([client.of('puback'), client.of('pubrec')]).toEqual([[], []]);
    // The window holds the others.
    expect(new Set(box.recorder.payloads).size).toBe(64);
    isAway = false;
    await client.next('pubrec', 66);
    await client.next('puback', 67);
    expect(accepted).toEqual(packets.map((_, i) => `${i}`));
    for (const kind of ['puback', 'pubrec'] as const) {
      const ids = client.of(kind).map(({ messageId }) => messageId!);
      expect(ids).toEqual(ids.toSorted((one, other) => one - other));
    }
    client.end();
  });

  it('a neighbour whose messages are taken is not delayed', async () => {
    box.recorder.behaviour = async ({ messages }) => {
      await Promise.resolve();
      if (messages.some(({ clientId }) => clientId === 'a')) throw unavailable('no room');
    };
    const client = await RawClient.connect(box.port, 'a');
    client.send(publishPacket(TOPIC, 'held', 1, 1));
    await eventually('it was tried', () => box.recorder.messages.length > 0);
    const neighbour = await RawClient.connect(box.port, 'b');
    neighbour.send(publishPacket('devices/b/up/telemetry', 'x', 1, 1));
    await neighbour.next('puback', 1, 200);
    for (const each of [client, neighbour]) each.end();
  });

  it('a message whose sender is gone is given up, so that a later one of the same client comes first', async () => {
    const client = await RawClient.connect(box.port, 'a');
    client.send(publishPacket(TOPIC, 'lost with its connection', 0), publishPacket(TOPIC, 'sent again', 1, 1));
    await eventually('both were tried', () => box.recorder.messages.length >= 2);
    client.socket.resetAndDestroy();
    await eventually('nobody is connected', () => box.link.clients === 0);
    const tried = box.recorder.messages.length;
    const again = await RawClient.connect(box.port, 'a');
    again.send(publishPacket(TOPIC, 'sent again', 1, 1, { dup: true }));
    await eventually('it was tried', () => box.recorder.messages.length > tried);
    isAway = false;
    await again.next('puback');
    expect(accepted).toEqual(['sent again']);
    again.end();
  });

  it('a client that closed its side is waited for 15 s and no longer', async () => {
    const client = await RawClient.connect(box.port, 'a', { keepalive: 0 });
    client.send(publishPacket(TOPIC, 'held', 0), { cmd: 'disconnect' });
    client.socket.end();
    const startedAt = performance.now();
    await eventually('nobody is connected', () => box.link.clients === 0, 20_000);
    expect(performance.now() - startedAt).toBeGreaterThan(14_000);
    await eventually('it is given up', () => box.counter('failed') === 1, 3_000);
  });

  it('a will waits as well', async () => {
    const will = { topic: 'devices/a/up/status', payload: Buffer.from('gone'), qos: 1 as const, retain: true };
    const client = await RawClient.connect(box.port, 'a', { will });
    client.socket.resetAndDestroy();
    await eventually('it was tried twice', () => box.recorder.of('status').length >= 2);
    expect(store.kept.size).toBe(0);
    isAway = false;
    await eventually('it is kept', () => store.kept.get('devices/a/up/status')?.payload.toString() === 'gone');
    expect(accepted).toContain('gone');
  });

  it('our own publish fails at once, and nobody gets it later', async () => {
    const client = await RawClient.connect(box.port, 'a');
    await client.subscribe(1, 'demo/#');
    client.send(publishPacket('demo/x', 'held', 1, 2));
    await eventually('it was tried', () => box.recorder.messages.length > 0);
    const startedAt = performance.now();
    const publishing = box.publisher.publish({ topic: 'demo/x', payload: 'ours', qos: 1 });
    await expect(publishing).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', options: { retryAfter: 2 } });
    expect(performance.now() - startedAt).toBeLessThan(200);
    isAway = false;
    await client.next('puback');
    await client.next('publish');
    expect([accepted, client.of('publish').map(({ payload }) => payload.toString())]).toEqual([['held'], ['held']]);
    client.end();
  });

  it('our own publish in one batch with a held message fails alone', async () => {
    const client = await RawClient.connect(box.port, 'a');
    await eventually('both in one batch', async () => {
      client.send(publishPacket('demo/x', 'held', 0));
      const publishing = box.publisher.publish({ topic: 'demo/x', payload: 'ours', qos: 1 });
      await expect(publishing).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      return box.recorder.batches.some(({ messages }) => new Set(messages.map((m) => m.clientId)).size === 2);
    });
    isAway = false;
    await eventually('the held one is taken', () => accepted.length > 0);
    await client.ping();
    expect(accepted).not.toContain('ours');
    client.end();
  });

  it('a stop takes no time, and acknowledges nothing that was not taken', async () => {
    const client = await RawClient.connect(box.port, 'a');
    client.send(publishPacket(TOPIC, '1', 1, 1));
    await eventually('it was tried', () => box.recorder.messages.length > 1);
    const startedAt = performance.now();
    await box.close();
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    await client.closed();
    expect(client.of('puback')).toEqual([]);
  });

  it('a retained message waits for its store, and does not overwrite one that came after it', async () => {
    isAway = false;
    store.isAway = true;
    const [one, other] = [await RawClient.connect(box.port, 'one'), await RawClient.connect(box.port, 'other')];
    one.send(publishPacket('site/x', 'first', 1, 1, { retain: true }));
    await eventually('it was tried', () => store.refused > 0);
    store.isAway = false;
    other.send(publishPacket('site/x', 'second', 1, 1, { retain: true }));
    await other.next('puback');
    await one.next('puback');
    expect(store.kept.get('site/x')?.payload.toString()).toBe('second');
    for (const each of [one, other]) each.end();
  });
});
