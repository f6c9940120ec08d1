import { createConnection } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { IConnectPacket } from 'mqtt-packet';
import { eventually } from '../support/eventually.js';
import { type Box, startBox } from './support/box.js';
import { connectPacket, encode, publishPacket, RawClient } from './support/raw-client.js';

const PAYLOAD = Buffer.from('gone');
const willOf = (topic: string, qos: 0 | 1 | 2 = 1): Partial<IConnectPacket> => ({
  will: { topic, payload: PAYLOAD, qos, retain: false },
});

/** A CONNECT of MQTT 3.1.1 whose client id is any bytes at all. */
function connectWithId(id: Buffer, flags = 2): Buffer {
  const body = Buffer.concat([
    Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4, flags, 0, 60, id.length >> 8, id.length & 255]),
    id,
  ]);
  const length: number[] = [];
  for (let rest = body.length; ; rest >>= 7) {
    length.push((rest & 127) | (rest > 127 ? 128 : 0));
    if (rest < 128) break;
  }
  return Buffer.concat([Buffer.from([0x10, ...length]), body]);
}

describe('CONNECT', () => {
  let box: Box;
  beforeAll(async () => {
    box = await startBox();
  });
  afterAll(async () => {
    await box.close();
  });

  /** The CONNACK code of a connection that must also be closed. */
  async function refused(bytes: Buffer): Promise<number | null> {
    const client = await RawClient.open(box.port);
    client.send(bytes);
    await client.closed();
    return client.connackCode();
  }

  it('takes MQTT 3.1.1 and 3.1', async () => {
    for (const [protocolId, protocolVersion] of [
      ['MQTT', 4],
      ['MQIsdp', 3],
    ] as const) {
      const client = await RawClient.connect(box.port, 'an-id-longer-than-23-characters', {
        protocolId,
        protocolVersion,
      });
      expect(await client.next('connack')).toMatchObject({ returnCode: 0, sessionPresent: false });
      client.end();
    }
  });

  it('answers MQTT 5 with CONNACK 1 and counts it', async () => {
    const before = box.counter('refused.protocol');
    expect(await refused(encode(connectPacket('a', { protocolVersion: 5 })))).toBe(1);
    expect(box.counter('refused.protocol')).toBe(before + 1);
    const warning = box.warnings.find(({ reason }) => reason === 'refused.protocol')!;
    expect(warning['detail']).toMatch(/choose 3\.1\.1.*MQTT_URL.*speaks MQTT 5/);
  });

  it.each([
    ['with a slash', Buffer.from('a/b')],
    ['with a plus', Buffer.from('a+')],
    ['with a hash', Buffer.from('#')],
    ['with NUL', Buffer.from('a\0b')],
    ['with a line feed', Buffer.from('a\nb')],
    ['with invalid UTF-8', Buffer.from([0x61, 0xff, 0xfe])],
    ['of 129 characters', Buffer.alloc(129, 0x61)],
    ['of 5,000 bytes', Buffer.alloc(5_000, 0x61)],
    ['of 65,535 bytes', Buffer.alloc(65_535, 0x61)],
    ['that is __proto__', Buffer.from('__proto__')],
    ['that begins with a dot', Buffer.from('.a')],
    ['that begins with $', Buffer.from('$SYS')],
  ])('answers a client id %s with CONNACK 2', async (_, id) => {
    expect(await refused(connectWithId(id))).toBe(2);
  });

  it.each(['constructor', 'toString', 'hasOwnProperty', 'x'.repeat(128), 'a.b_c:d-1'])(
    'takes the client id %s as an ordinary one',
    async (id) => {
      const client = await RawClient.connect(box.port, id);
      expect(await client.connackCode()).toBe(0);
      expect(await client.subscribe(1, `${id}/x`)).toEqual([1]);
      client.send(publishPacket(`${id}/x`, '1', 1, 2));
      await client.next('publish');
      client.end();
    },
  );

  it('answers an empty client id with CONNACK 2 without a clean session, and gives it an id of its own with one', async () => {
    expect(await refused(connectWithId(Buffer.alloc(0), 0))).toBe(2);
    const clients = await Promise.all([RawClient.connect(box.port, ''), RawClient.connect(box.port, '')]);
    for (const client of clients) client.send(publishPacket('devices/x/up/telemetry', 'anonymous', 1, 1));
    await Promise.all(clients.map((client) => client.next('puback')));
    const ids = box.recorder.messages.map(({ clientId }) => clientId!);
    expect(new Set(ids).size).toBe(2);
    expect(ids.every((id) => id.startsWith('auto-'))).toBe(true);
    for (const client of clients) client.end();
  });

  it('lets a client read its refusal although it sent more behind the CONNECT', async () => {
    const more = Array.from({ length: 500 }, (_, i) => publishPacket('a/b', 'x'.repeat(100), 1, i + 1));
    expect(await refused(encode(connectWithId(Buffer.from('a/b')), ...more))).toBe(2);
  });

  it.each([
    ['below $SYS', '$SYS/x'],
    ['with #', 'a/#'],
    ['with +', 'a/+/b'],
    ['with a control character', 'a\u0001b'],
    ['too long', 'x'.repeat(257)],
    ['too deep', 'a/b/c/d/e/f/g/h/i'],
  ])('refuses a will on a topic %s', async (_, topic) => {
    const before = box.counter('refused.will');
    expect(await refused(encode(connectPacket('w', willOf(topic))))).toBe(5);
    expect(box.counter('refused.will')).toBe(before + 1);
  });

  it('refuses a will with QoS 3', async () => {
    const packet = encode(connectPacket('w', willOf('a', 2)));
    packet[9]! |= 0x18;
    expect(await refused(packet)).not.toBe(0);
  });

  it('hands a will to the handlers and to subscribers when its client is lost, and not when it says goodbye', async () => {
    const watcher = await RawClient.connect(box.port, 'watcher');
    await watcher.subscribe(1, 'devices/+/up/status');
    const polite = await RawClient.connect(box.port, 'polite', willOf('devices/polite/up/status'));
    polite.send({ cmd: 'disconnect' });
    await polite.closed();
    const lost = await RawClient.connect(box.port, 'lost', willOf('devices/lost/up/status'));
    lost.end();
    expect(await watcher.next('publish')).toMatchObject({ topic: 'devices/lost/up/status', payload: PAYLOAD });
    expect(box.recorder.of('status')).toEqual(['devices/lost/up/status']);
    watcher.end();
  });

  it('closes the older of two clients with one id, and keeps the newer', async () => {
    const older = await RawClient.connect(box.port, 'twin');
    const newer = await RawClient.connect(box.port, 'twin');
    await older.closed();
    await newer.ping();
    newer.end();
  });

  it('keeps one of three clients that connect with one id at once, whatever session they ask for [MQTT-3.1.4-2]', async () => {
    await eventually('earlier clients are gone', () => box.link.clients === 0);
    const subscribe = encode({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'demo/#', qos: 1 }] });
    const all: RawClient[] = [];
    const open = (): RawClient[] => all.filter(({ ended }) => !ended);
    for (let round = 0; round < 40; round++) {
      const clients = await Promise.all([0, 1, 2].map(() => RawClient.open(box.port)));
      for (const client of clients) client.send(connectPacket('triplet', { clean: round % 3 === 0 }), subscribe);
      all.push(...clients);
      // The next round comes while this one may still be going on.
      if (round % 2 === 0) await Promise.any(clients.map((client) => client.next('suback')));
    }
    await eventually('one is left', () => open().length === 1, 3_000);
    const [kept] = open() as [RawClient];
    await kept.ping();
    expect(box.link.clients).toBe(1);
    await box.publisher.publish({ topic: 'demo/x', payload: 'once', qos: 0 });
    await kept.next('publish');
    kept.end();
    await eventually('all are gone', () => box.link.clients === 0);
  });

  it('lets a client in again that vanished while it waited for its id', async () => {
    const [first, second] = [await RawClient.open(box.port), await RawClient.open(box.port)];
    first.send(connectPacket('vanishing'));
    second.send(connectPacket('vanishing'));
    second.socket.resetAndDestroy();
    const third = await RawClient.connect(box.port, 'vanishing');
    await first.closed();
    await third.ping();
    third.end();
  });

  it('counts the clients that are connected', async () => {
    await eventually('earlier clients are gone', () => box.link.clients === 0);
    const client = await RawClient.connect(box.port, 'one');
    expect(box.link.clients).toBe(1);
    client.end();
    await eventually('it is gone', () => box.link.clients === 0);
  });

  it('goes on serving while 2,500 connections say nothing', async () => {
    const silent = Array.from({ length: 2_500 }, () => createConnection({ port: box.port, host: '127.0.0.1' }));
    for (const socket of silent) socket.on('error', () => {});
    const client = await RawClient.connect(box.port, 'in-between');
    await client.ping();
    await eventually('the oldest are closed', () => box.counter('refused.pending') >= 400);
    await client.ping();
    client.end();
    for (const socket of silent) socket.destroy();
  });
});
