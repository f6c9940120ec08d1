import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import type { Listeners } from '../../src/mqtt/link.js';
import { type Box, startBox } from './support/box.js';
import { connectPacket, RawClient } from './support/raw-client.js';

const COMMANDS = 'devices/d1/down/commands/+';

describe('Who listens for commands at the embedded broker', () => {
  let box: Box;
  let listeners: Listeners;
  let clients: RawClient[];
  let told: string[];
  let stop: () => void;

  const connect = async (...args: Parameters<typeof RawClient.connect> extends [number, ...infer R] ? R : never) => {
    const client = await RawClient.connect(box.port, ...args);
    clients.push(client);
    return client;
  };
  const subscribe = (messageId: number, ...topics: string[]) =>
    ({ cmd: 'subscribe', messageId, subscriptions: topics.map((topic) => ({ topic, qos: 1 as const })) }) as const;
  const unsubscribe = (messageId: number, ...unsubscriptions: string[]) =>
    ({ cmd: 'unsubscribe', messageId, unsubscriptions }) as const;

  beforeEach(async () => {
    box = await startBox();
    listeners = box.link.listeners!;
    clients = [];
    told = [];
    stop = listeners.onListening((deviceId) => told.push(deviceId));
  });
  afterEach(async () => {
    for (const client of clients) client.end();
    await box.close();
  });

  it.each([
    COMMANDS,
    'devices/d1/down/commands/#',
    'devices/d1/down/#',
    'devices/d1/#',
    'devices/d1/down/+/+',
    'devices/d1/+/commands/+',
    'devices/d1/down/commands/+/#',
  ])('%s listens, from its SUBSCRIBE to its UNSUBSCRIBE', async (filter) => {
    const client = await connect('d1');
    expect(listeners.has('d1')).toBe(false);
    await client.subscribe(1, filter);
    expect(listeners.has('d1')).toBe(true);
    expect(listeners.has('d2')).toBe(false);
    expect(told).toEqual(['d1']);
    client.send(unsubscribe(2, filter));
    await client.next('unsuback');
    expect(listeners.has('d1')).toBe(false);
    await client.subscribe(3, filter);
    expect(told).toEqual(['d1', 'd1']);
  });

  it.each([
    'devices/+/down/commands/+',
    'devices/#',
    '#',
    '+/+/+/+/+',
    'devices/d1/down/commands/0190b7c4-0000-7000-8000-000000000001',
    'devices/d1/down/commands',
    'devices/d1/down/commands/+/cancel',
    'devices/d1/down/+',
    'devices/d1/up/#',
    'devices/_d1/down/#',
    'other/d1/down/#',
  ])('%s does not', async (filter) => {
    const client = await connect('d1');
    expect(await client.subscribe(1, filter)).toEqual([1]);
    await client.ping();
    expect(told).toEqual([]);
    expect([listeners.has('d1'), listeners.has('+'), listeners.has('_d1')]).toEqual([false, false, false]);
  });

  it('does not count a filter that was refused', async () => {
    const client = await connect('d1');
    const others = Array.from({ length: 8 }, (_, i) => `other/${i}`);
    expect((await client.subscribe(1, ...others, COMMANDS)).at(-1)).toBe(0x80);
    expect([listeners.has('d1'), told]).toEqual([false, []]);
  });

  it('tells once per connection and device, whichever and however many filters, until the last has ended', async () => {
    const client = await connect('gateway');
    await client.subscribe(1, COMMANDS, 'devices/d1/#', 'devices/d2/#');
    await client.subscribe(2, COMMANDS);
    await client.subscribe(3, 'devices/d1/down/#');
    expect(told).toEqual(['d1', 'd2']);
    client.send(unsubscribe(4, COMMANDS, 'devices/d1/#'));
    await client.next('unsuback');
    expect(listeners.has('d1')).toBe(true);
    client.send(unsubscribe(5, 'devices/d1/down/#', 'never/had'));
    await client.next('unsuback', 2);
    expect([listeners.has('d1'), listeners.has('d2')]).toEqual([false, true]);
    const other = await connect('other');
    await other.subscribe(1, 'devices/d2/#');
    expect(told).toEqual(['d1', 'd2', 'd2']);
    other.end();
    await eventually('the other is gone', () => box.link.clients === 1);
    expect(listeners.has('d2')).toBe(true);
  });

  it.each(['DISCONNECT', 'a lost connection'])('ends with %s', async (how) => {
    const client = await connect('d1');
    await client.subscribe(1, COMMANDS);
    expect(listeners.isConnected('d1')).toBe(true);
    if (how === 'DISCONNECT') client.send({ cmd: 'disconnect' });
    else client.socket.resetAndDestroy();
    await eventually('nobody listens', () => !listeners.has('d1'));
    await eventually('it is away', () => !listeners.isConnected('d1'));
  });

  it('reaches the connection from inside the callback, also where CONNECT and SUBSCRIBE came in one segment', async () => {
    listeners.onListening((deviceId) => {
      const topic = `devices/${deviceId}/down/commands/1`;
      void box.publisher.publish({ topic, payload: 'go', qos: 1 });
    });
    for (const clean of [true, false]) {
      const client = await RawClient.open(box.port);
      clients.push(client);
      client.send(connectPacket(`d-${clean}`, { clean }), subscribe(1, `devices/d-${clean}/down/#`));
      expect((await client.next('publish')).payload.toString()).toBe('go');
      await client.ping();
      expect(client.received.map(({ cmd }) => cmd)).toEqual(['connack', 'suback', 'publish', 'pingresp']);
    }
    expect(told).toEqual(['d-true', 'd-false']);
  });

  it('tells of a restored session, whose subscription came in no packet of the connection, after the queue', async () => {
    const first = await connect('w1', { clean: false });
    await first.subscribe(1, COMMANDS);
    first.end();
    await eventually('it is away', () => box.link.clients === 0);
    expect(listeners.has('d1')).toBe(false);
    const go = (payload: string) => box.publisher.publish({ topic: 'devices/d1/down/commands/1', payload, qos: 1 });
    await go('queued');
    listeners.onListening(() => void go('at once'));
    const back = await connect('w1', { clean: false });
    await back.next('publish', 2);
    await back.ping();
    expect(back.of('connack')[0]).toMatchObject({ sessionPresent: true });
    expect(back.of('publish').map(({ payload }) => payload.toString())).toEqual(['queued', 'at once']);
    expect(new Set(back.of('publish').map(({ messageId }) => messageId)).size).toBe(2);
    expect([listeners.has('d1'), told]).toEqual([true, ['d1', 'd1']]);
    await back.subscribe(2, COMMANDS);
    expect(told).toEqual(['d1', 'd1']);
    const clean = await connect('w1');
    expect(clean.of('connack')[0]).toMatchObject({ sessionPresent: false });
    expect(listeners.has('d1')).toBe(false);
  });

  it('tells again at a takeover while the old connection hangs, and what is published then reaches the new one', async () => {
    const old = await connect('d1');
    await old.subscribe(1, COMMANDS);
    old.socket.pause();
    listeners.onListening(() => {
      void box.publisher.publish({ topic: 'devices/d1/down/commands/1', payload: 'go', qos: 1 });
    });
    const next = await RawClient.open(box.port);
    clients.push(next);
    next.send(connectPacket('d1'), subscribe(1, COMMANDS));
    expect((await next.next('publish')).payload.toString()).toBe('go');
    expect([listeners.has('d1'), told]).toEqual([true, ['d1', 'd1']]);
    old.socket.resume();
    await old.closed();
    expect(old.of('publish')).toEqual([]);
    await next.ping();
    expect([listeners.has('d1'), listeners.isConnected('d1')]).toEqual([true, true]);
  });

  it.each([true, false])('is right where SUBSCRIBE and UNSUBSCRIBE come in one segment, clean %s', async (clean) => {
    const client = await connect('d1', { clean });
    client.send(subscribe(1, COMMANDS), unsubscribe(2, COMMANDS));
    await client.next('unsuback');
    await client.ping();
    expect(listeners.has('d1')).toBe(false);
    const reached = async (): Promise<boolean> => {
      const before = client.of('publish').length;
      await box.publisher.publish({ topic: 'devices/d1/down/commands/1', payload: 'go', qos: 1 });
      await client.ping();
      await client.ping();
      return client.of('publish').length > before;
    };
    expect(await reached()).toBe(false);
    client.send(subscribe(3, COMMANDS), unsubscribe(4, COMMANDS), subscribe(5, COMMANDS));
    await client.next('suback', 3);
    await client.next('unsuback', 2);
    await client.ping();
    expect(listeners.has('d1')).toBe(await reached());
  });

  it('calls no more once that is ended', async () => {
    stop();
    const client = await connect('d1');
    await client.subscribe(1, COMMANDS);
    expect(told).toEqual([]);
  });

  it('keeps nothing of 1,000 connections that listened, expected an acknowledgement and went', async () => {
    const topic = (i: number): string => `devices/d${i}/down/commands/1`;
    let acknowledged = 0;
    for (let from = 0; from < 1_000; from += 50) {
      await Promise.all(
        Array.from({ length: 50 }, async (_, at) => {
          const i = from + at;
          const client = await RawClient.connect(box.port, `d${i}`, { clean: i % 2 === 0 });
          await client.subscribe(1, `devices/d${i}/#`);
          const receipt = { clientId: `d${i}`, onAcknowledged: () => acknowledged++ };
          await box.publisher.publish({ topic: topic(i), payload: 'go', qos: 1, receipt });
          await client.next('publish');
          client.end();
        }),
      );
    }
    expect(told).toHaveLength(1_000);
    await eventually('all are gone', () => box.link.clients === 0);
    const sizeOf = (owner: object, part: string): unknown => Reflect.get(Reflect.get(owner, part) as object, 'size');
    const kept = () => [sizeOf(listeners, 'clientsOf'), sizeOf(box.link, 'receipts')];
    await eventually('nothing is kept', () => kept().every((size) => size === 0));
    expect(Reflect.get(Reflect.get(box.link, 'receipts') as object, 'awaited')).toEqual(new Map());
    expect(acknowledged).toBe(0);
  });
});
