import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Packet } from 'mqtt-packet';
import { eventually } from '../support/eventually.js';
import { type Box, startBox } from './support/box.js';
import { encode, publishPacket, RawClient } from './support/raw-client.js';

const REFUSED = 0x80;

describe('SUBSCRIBE', () => {
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

  it('is granted in open mode for #, +/+ and the topics of another device', async () => {
    expect(await client.subscribe(1, '#', '+/+', 'devices/b/up/#')).toEqual([1, 1, 1]);
  });

  it.each([
    '$SYS/#',
    '$SYS/broker/clients',
    '$share/g/devices/#',
    '$x',
    'a#',
    'devices/#x',
    'a+',
    `${'x/'.repeat(8)}#`,
    'a\u0001',
  ])('of %j is refused with 0x80, or closes, but is never granted', async (filter) => {
    client.send({
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: [
        { topic: 'fine', qos: 0 },
        { topic: filter, qos: 1 },
      ],
    });
    await eventually('an answer', () => client.ended || client.of('suback').length > 0);
    if (!client.ended) expect(client.of('suback')[0]!.granted).toEqual([0, REFUSED]);
  });

  it('of #/a or an empty filter closes the client', async () => {
    for (const bytes of [
      Buffer.from([0x82, 8, 0, 1, 0, 3, 0x23, 0x2f, 0x61, 0]),
      Buffer.from([0x82, 5, 0, 1, 0, 0, 0]),
    ]) {
      const bad = await RawClient.connect(box.port, 'bad');
      bad.send(bytes);
      await bad.closed();
      expect(bad.of('suback')).toEqual([]);
    }
  });

  it('delivers nothing for a refused filter, live or from a stored session', async () => {
    const stays = await RawClient.connect(box.port, 'stays', { clean: false });
    const others = Array.from({ length: 7 }, (_, i) => `other/${i}`);
    expect((await stays.subscribe(1, 'fine', ...others, 'ninth')).slice(-2)).toEqual([1, REFUSED]);
    stays.end();
    await eventually('it is away', () => box.link.clients === 1);
    client.send(publishPacket('ninth', '1', 1, 1), publishPacket('fine', '2', 1, 2));
    await client.next('puback', 2);
    const back = await RawClient.connect(box.port, 'stays', { clean: false });
    await back.next('publish');
    await back.ping();
    expect(back.of('publish').map(({ topic }) => topic)).toEqual(['fine']);
    back.end();
  });

  it('grants 8 filters of a packet of 8,000', async () => {
    client.send({
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: Array.from({ length: 8_000 }, (_, i) => ({ topic: `t/${i}`, qos: 0 as const })),
    });
    const granted = (await client.next('suback')).granted as number[];
    expect(granted).toHaveLength(8_000);
    expect(granted.filter((code) => code !== REFUSED)).toHaveLength(8);
    expect(granted.slice(0, 8)).toEqual(Array.from({ length: 8 }, () => 0));
  });

  it('keeps a subscription that comes right behind the end of the one before, and ends one that comes right before', async () => {
    const subscribe = (messageId: number): Packet => ({
      cmd: 'subscribe',
      messageId,
      subscriptions: [{ topic: 'again', qos: 1 }],
    });
    const unsubscribe = (messageId: number): Packet => ({
      cmd: 'unsubscribe',
      messageId,
      unsubscriptions: ['again'],
    });
    client.send(subscribe(1), unsubscribe(2), subscribe(3), unsubscribe(4), subscribe(5));
    await client.next('suback', 3);
    await client.next('unsuback', 2);
    client.send(publishPacket('again', 'once', 0));
    expect((await client.next('publish')).payload.toString()).toBe('once');
    client.send(subscribe(6), unsubscribe(7));
    await client.next('unsuback', 3);
    client.send(publishPacket('again', 'not any more', 0));
    await client.ping();
    expect(client.of('publish')).toHaveLength(1);
  });

  it('grants 50 filters to one client however many it asks for over time, and again after it unsubscribed', async () => {
    const packets = Array.from({ length: 2_500 }, (_, p) =>
      encode({
        cmd: 'subscribe',
        messageId: p + 1,
        subscriptions: Array.from({ length: 8 }, (__, i) => ({ topic: `t/${p * 8 + i}`, qos: 1 as const })),
      }),
    );
    client.send(...packets);
    await client.next('suback', 2_500, 20_000);
    const granted = client.of('suback').flatMap((packet) => packet.granted as number[]);
    expect(granted.filter((code) => code !== REFUSED)).toHaveLength(50);
    expect(await client.subscribe(3_000, 't/0', 'new')).toEqual([1, REFUSED]);
    client.send({ cmd: 'unsubscribe', messageId: 3_001, unsubscriptions: ['t/0'] });
    await client.next('unsuback');
    expect(await client.subscribe(3_002, 'new')).toEqual([1]);
  });

  it('with QoS 1 and a wildcard gets a message of QoS 2 with QoS 1', async () => {
    await client.subscribe(1, 'demo/#');
    await box.publisher.publish({ topic: 'demo/x', payload: '1', qos: 2 });
    expect((await client.next('publish')).qos).toBe(1);
  });

  it('takes filters named like members of every object', async () => {
    expect(await client.subscribe(1, '__proto__', 'constructor', 'toString/valueOf')).toEqual([1, 1, 1]);
    client.send(publishPacket('__proto__', '1', 1, 2));
    expect((await client.next('publish')).topic).toBe('__proto__');
    expect(({} as Record<string, unknown>)['qos']).toBeUndefined();
  });
});

describe('a stored session', () => {
  let box: Box;
  beforeEach(async () => {
    box = await startBox();
  });
  afterEach(async () => {
    await box.close();
  });

  async function leave(client: RawClient): Promise<void> {
    const before = box.link.clients!;
    client.end();
    await eventually('it is away', () => box.link.clients === before - 1);
  }

  it('gives what was published with QoS 1 and 2 while its client was away, once and in order, and nothing of a clean one', async () => {
    const stays = await RawClient.connect(box.port, 'stays', { clean: false });
    stays.send({
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: [
        { topic: 'demo/#', qos: 2 },
        { topic: '+/x', qos: 1 },
      ],
    });
    await stays.next('suback');
    await leave(stays);
    for (let i = 0; i < 20; i++) await box.publisher.publish({ topic: 'demo/x', payload: `${i}`, qos: i % 2 ? 2 : 1 });
    const back = await RawClient.connect(box.port, 'stays', { clean: false });
    expect(await back.next('connack')).toMatchObject({ sessionPresent: true });
    await back.next('publish', 20);
    expect(back.of('publish').some(({ dup }) => dup)).toBe(false);
    expect(back.of('publish').map(({ payload }) => payload.toString())).toEqual(
      Array.from({ length: 20 }, (_, i) => `${i}`),
    );
    for (const { qos, messageId } of back.of('publish')) {
      back.send(qos === 1 ? { cmd: 'puback', messageId: messageId! } : { cmd: 'pubrec', messageId: messageId! });
    }
    await back.next('pubrel', 10);
    for (const { messageId } of back.of('pubrel')) back.send({ cmd: 'pubcomp', messageId: messageId! });
    await back.ping();
    await leave(back);
    const third = await RawClient.connect(box.port, 'stays', { clean: false });
    await third.ping();
    expect(third.of('publish')).toEqual([]);
    await leave(third);
    const clean = await RawClient.connect(box.port, 'stays');
    expect(await clean.next('connack')).toMatchObject({ sessionPresent: false });
    clean.end();
  });

  it('gives what its client did not acknowledge once more, as a duplicate [MQTT-3.3.1-1]', async () => {
    const stays = await RawClient.connect(box.port, 'stays', { clean: false });
    await stays.subscribe(1, 'demo/#');
    await box.publisher.publish({ topic: 'demo/x', payload: '1', qos: 1 });
    const { messageId, dup } = await stays.next('publish');
    await leave(stays);
    const back = await RawClient.connect(box.port, 'stays', { clean: false });
    expect(dup).toBe(false);
    expect(await back.next('publish')).toMatchObject({ messageId, dup: true });
    back.end();
  });

  it('keeps at most 1,000 messages, the older ones, and counts the others', async () => {
    const stays = await RawClient.connect(box.port, 'stays', { clean: false });
    await stays.subscribe(1, 'demo/#');
    await leave(stays);
    for (let i = 0; i < 1_200; i++) await box.publisher.publish({ topic: 'demo/x', payload: `${i}`, qos: 1 });
    expect(box.counter('dropped.offline_queue')).toBe(200);
    const back = await RawClient.connect(box.port, 'stays', { clean: false });
    await back.next('publish', 1_000);
    await back.ping();
    expect(back.of('publish')).toHaveLength(1_000);
    expect(back.of('publish').at(-1)!.payload.toString()).toBe('999');
    back.end();
  });
});
