import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { type Box, startBox } from './support/box.js';
import { MemoryRetainedStore } from './support/memory-retained.store.js';
import { gate, publishPacket, RawClient } from './support/raw-client.js';

const STATUS = 'devices/a/up/status';
const retain = { retain: true };

describe('retained messages', () => {
  let box: Box;
  let client: RawClient;
  beforeEach(async () => {
    box = await startBox();
    client = await RawClient.connect(box.port, 'a');
  });
  afterEach(async () => {
    client.end();
    await box.close();
  });

  async function shownTo(filter: string): Promise<string[]> {
    const reader = await RawClient.connect(box.port, 'reader');
    await reader.subscribe(1, filter);
    await box.publisher.publish({ topic: 'end', payload: '', qos: 0 });
    await reader.ping();
    // Retained messages follow the SUBACK through a stream: a live message behind them shows that they are through.
    await reader.subscribe(2, 'end/marker');
    await box.publisher.publish({ topic: 'end/marker', payload: '', qos: 1 });
    await eventually('the marker', () => reader.of('publish').some(({ topic }) => topic === 'end/marker'));
    reader.end();
    return reader
      .of('publish')
      .filter((packet) => packet.retain)
      .map(({ payload }) => payload.toString());
  }

  it('are stored before they are acknowledged', async () => {
    const disk = gate();
    box.store.gate = disk.promise;
    client.send(publishPacket(STATUS, '{"online":true}', 1, 1, retain));
    await eventually('the handler has it', () => box.recorder.of('status').length === 1);
    await client.ping();
    expect(client.of('puback')).toEqual([]);
    disk.open();
    await client.next('puback');
    expect(box.store.kept.get(STATUS)!.payload.toString()).toBe('{"online":true}');
  });

  it('drop the connection where they cannot be stored', async () => {
    box.store.gate = Promise.reject(new Error('disk full'));
    box.store.gate.catch(() => {});
    client.send(publishPacket('any/topic', '1', 1, 1, retain));
    await client.closed();
    expect(client.of('puback')).toEqual([]);
    expect(box.counter('failed')).toBe(1);
  });

  it('reach later subscribers, survive a restart, and are removed by an empty payload', async () => {
    client.send(publishPacket(STATUS, '1', 1, 1, retain), publishPacket('x/y', '2', 0, undefined, retain));
    await client.next('puback');
    await box.publisher.publish({ topic: 'x/ours', payload: '3', qos: 1, retain: true });
    expect((await shownTo('#')).toSorted()).toEqual(['1', '2', '3']);
    expect(await shownTo('x/+')).toEqual(['2', '3']);
    const { store } = box;
    client.end();
    await box.close();
    box = await startBox({ store });
    expect((await shownTo('#')).toSorted()).toEqual(['1', '2', '3']);
    expect(box.recorder.messages).toEqual([]);
    client = await RawClient.connect(box.port, 'a');
    client.send(publishPacket(STATUS, '', 1, 1, retain), publishPacket('x/y', '', 1, 2, retain));
    await client.next('puback', 2);
    expect(await shownTo('#')).toEqual(['3']);
    expect([...store.kept.keys()]).toEqual(['x/ours']);
  });

  it('of a will are kept as well', async () => {
    const lost = await RawClient.connect(box.port, 'lost', {
      will: { topic: 'devices/lost/up/status', payload: Buffer.from('{"online":false}'), qos: 1, retain: true },
    });
    lost.end();
    await eventually('it is kept', () => box.store.kept.has('devices/lost/up/status'));
  });

  it('are limited to 16 topics of one device, under whatever client id; one more closes the client and is counted', async () => {
    for (const id of ['a', 'b']) {
      const sender = await RawClient.connect(box.port, id);
      for (let i = 0; i < 8; i++) sender.send(publishPacket(`devices/d/up/${id}${i}`, 'x', 1, i + 1, retain));
      await sender.next('puback', 8);
      sender.end();
    }
    client = await RawClient.connect(box.port, 'c');
    client.send(
      publishPacket('devices/d/up/a0', 'again', 1, 1, retain),
      publishPacket('devices/e/up/x', 'x', 1, 2, retain),
    );
    await client.next('puback', 2);
    client.send(publishPacket('devices/d/up/more', 'x', 1, 3, retain));
    await client.closed();
    expect(box.counter('refused.retained')).toBe(1);
    expect(box.store.kept.size).toBe(17);
  });

  it('take no place where a handler rejects them', async () => {
    box.recorder.behaviour = () => Promise.reject(new Error('disk full'));
    for (let i = 0; i < 17; i++) {
      const sender = await RawClient.connect(box.port, 'b');
      sender.send(publishPacket(`devices/b/up/unknown/${i}`, '1', 1, 1, retain));
      await sender.closed();
    }
    expect([box.counter('failed'), box.counter('refused.retained')]).toEqual([17, 0]);
  });

  it('are limited for a flood of topics elsewhere too', async () => {
    client.send(...Array.from({ length: 1_000 }, (_, i) => publishPacket(`flood/${i}`, 'x', 1, i + 1, retain)));
    await client.closed();
    expect(box.store.kept.size).toBe(16);
  });

  it('make room where they are removed', async () => {
    for (let i = 0; i < 40; i++) {
      client.send(publishPacket(`t/${i}`, 'x', 1, 1, retain), publishPacket(`t/${i}`, '', 1, 2, retain));
      await client.next('puback', 2 * (i + 1));
    }
    expect(box.store.kept.size).toBe(0);
  });

  it('end as the last one in memory and in the store, however long each write takes', async () => {
    const slow = gate();
    box.store.gate = slow.promise;
    const other = await RawClient.connect(box.port, 'b');
    client.send(publishPacket('t', 'first', 1, 1, retain));
    await eventually('the first is on its way', () => box.counter('received') === 1);
    box.store.gate = null;
    other.send(publishPacket('t', 'second', 1, 1, retain));
    await eventually('the second too', () => box.counter('received') === 2);
    await other.ping();
    slow.open();
    await Promise.all([client.next('puback'), other.next('puback')]);
    expect(box.store.kept.get('t')!.payload.toString()).toBe('second');
    expect(await shownTo('t')).toEqual(['second']);
    other.end();
  });
});

describe('a start', () => {
  it('shows retained messages of an earlier run to no handler', async () => {
    const store = new MemoryRetainedStore();
    store.kept.set(STATUS, { topic: STATUS, payload: Buffer.from('1'), qos: 1 });
    const box = await startBox({ store });
    expect(box.recorder.batches).toEqual([]);
    await box.close();
  });
});
