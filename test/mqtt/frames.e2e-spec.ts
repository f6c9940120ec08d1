import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { type Box, startBox } from './support/box.js';
import { connectPacket, encode, gate, lengthBytes, publishPacket, RawClient } from './support/raw-client.js';

const TOPIC = 'devices/a/up/telemetry';
const MIB = 1_048_576;

describe('the frame guard', () => {
  let box: Box;
  beforeEach(async () => {
    box = await startBox();
  });
  afterEach(async () => {
    await box.close();
  });

  /** Sends bytes on a new connection (behind a CONNECT where asked) and waits until the broker closes it. */
  async function isClosed(bytes: Buffer, connectFirst = true): Promise<RawClient> {
    const client = connectFirst ? await RawClient.connect(box.port, 'bad') : await RawClient.open(box.port);
    client.send(bytes);
    await client.closed();
    return client;
  }

  it('keeps memory flat for a length of 32 MB before CONNECT, however much follows', async () => {
    const client = await RawClient.open(box.port);
    const before = process.memoryUsage();
    const header = Buffer.concat([Buffer.from([0x30]), lengthBytes(32 * MIB)]);
    client.send(header);
    for (let i = 0; i < 32 && !client.ended; i++) {
      client.socket.write(Buffer.alloc(MIB));
      await new Promise(setImmediate);
    }
    await client.closed();
    const after = process.memoryUsage();
    // What the test itself still holds in its socket is counted too: the bound is half of what was sent.
    expect(after.external + after.arrayBuffers - before.external - before.arrayBuffers).toBeLessThan(32 * MIB);
    expect(box.counter('refused.packet')).toBe(1);
  });

  it('keeps memory flat for many CONNECTs that announce 256 MB', async () => {
    const header = Buffer.concat([Buffer.from([0x10]), lengthBytes(268_435_455)]);
    const clients = await Promise.all(Array.from({ length: 20 }, () => RawClient.open(box.port)));
    for (const client of clients) client.send(header, Buffer.alloc(65_536));
    await Promise.all(clients.map((client) => client.closed()));
    expect(box.counter('refused.connect_size')).toBe(20);
  });

  it('takes packets that are split at every byte as if they were whole', async () => {
    const client = await RawClient.open(box.port);
    const bytes = encode(
      connectPacket('a'),
      publishPacket(TOPIC, 'x'.repeat(200), 1, 1),
      { cmd: 'pingreq' },
      publishPacket(TOPIC, 'second', 2, 2),
      { cmd: 'pubrel', messageId: 2 },
      { cmd: 'subscribe', messageId: 3, subscriptions: [{ topic: 'x/y', qos: 1 }] },
    );
    for (const byte of bytes) {
      client.socket.write(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    await client.next('suback');
    await client.next('pubcomp');
    const kinds = client.received.map(({ cmd }) => cmd);
    expect([...kinds].toSorted()).toEqual(['connack', 'pingresp', 'puback', 'pubcomp', 'pubrec', 'suback']);
    expect(box.recorder.payloads).toEqual(['x'.repeat(200), 'second']);
    client.end();
  });

  it('takes CONNECT and 1,000 packets in one segment, and acknowledges each in order', async () => {
    const client = await RawClient.open(box.port);
    const publishes = Array.from({ length: 1_000 }, (_, i) => publishPacket(TOPIC, `${i}`, 1, i + 1));
    client.send(connectPacket('a'), ...publishes);
    await client.next('puback', 1_000);
    expect(client.of('puback').map(({ messageId }) => messageId)).toEqual(publishes.map(({ messageId }) => messageId));
    expect(box.recorder.payloads).toEqual(publishes.map(({ payload }) => payload));
    client.end();
  });

  it('takes a payload of 256 KiB and closes at one more KiB over the frame', async () => {
    const client = await RawClient.connect(box.port, 'a');
    client.send(publishPacket(TOPIC, Buffer.alloc(256 * 1_024, 1), 1, 1));
    await client.next('puback');
    client.send(publishPacket(TOPIC, Buffer.alloc(258 * 1_024, 1), 1, 2));
    await client.closed();
    expect(client.of('puback')).toHaveLength(1);
    expect(box.recorder.messages).toHaveLength(1);
  });

  it.each([
    ['PINGREQ', encode({ cmd: 'pingreq' })],
    ['PUBLISH', encode(publishPacket(TOPIC, '1', 0))],
    ['SUBSCRIBE', encode({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] })],
    ['CONNACK', Buffer.from([0x20, 2, 0, 0])],
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a TLS hello', Buffer.from([0x16, 3, 1, 2, 0, 1])],
    ['a CONNECT with reserved flags', Buffer.from([0x11, 2, 0, 0])],
  ])('closes a connection that begins with %s', async (_, bytes) => {
    const client = await isClosed(bytes, false);
    expect(client.bytes).toBe(0);
    expect(box.recorder.messages).toEqual([]);
    expect(box.counter('refused.packet')).toBe(1);
  });

  it.each([
    ['a second CONNECT', encode(connectPacket('bad'))],
    ['a QoS of 3', Buffer.from([0x36, 5, 0, 1, 0x61, 0, 1])],
    ['a length of five bytes', Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x01])],
    ['SUBSCRIBE without its flag', Buffer.from([0x80, 6, 0, 1, 0, 1, 0x61, 0])],
    ['UNSUBSCRIBE without its flag', Buffer.from([0xa0, 5, 0, 1, 0, 1, 0x61])],
    ['PUBREL without its flag', Buffer.from([0x60, 2, 0, 1])],
    ['PUBACK with flags', Buffer.from([0x41, 2, 0, 1])],
    ['PUBACK of three bytes', Buffer.from([0x40, 3, 0, 1, 0])],
    ['PINGREQ with flags', Buffer.from([0xc1, 0])],
    ['PINGREQ with a body', Buffer.from([0xc0, 1, 0])],
    ['DISCONNECT with flags', Buffer.from([0xe1, 0])],
    ['SUBSCRIBE with packet id 0', Buffer.from([0x82, 6, 0, 0, 0, 1, 0x61, 0])],
    ['UNSUBSCRIBE with packet id 0', Buffer.from([0xa2, 5, 0, 0, 0, 1, 0x61])],
    ['packet type 0', Buffer.from([0x00, 0])],
    ['packet type 15', Buffer.from([0xf0, 0])],
    ['a packet that only a broker sends', Buffer.from([0xd0, 0])],
  ])('closes a client that sends %s', async (_, bytes) => {
    await isClosed(bytes);
    expect(box.counter('refused.packet')).toBe(1);
    expect(box.recorder.messages).toEqual([]);
  });

  it.each([
    ['a PUBLISH shorter than its topic', Buffer.from([0x30, 3, 0, 9, 0x61])],
    ['a SUBSCRIBE without filters', Buffer.from([0x82, 2, 0, 1])],
    ['a SUBSCRIBE with QoS 3', Buffer.from([0x82, 6, 0, 1, 0, 1, 0x61, 3])],
    ['a CONNECT of nothing', Buffer.from([0x10, 0])],
    ['a CONNECT of another protocol', Buffer.from([0x10, 12, 0, 4, 0x4d, 0x51, 0x58, 0x58, 4, 2, 0, 60, 0, 0])],
    ['a CONNECT with its reserved bit', Buffer.from([0x10, 12, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 3, 0, 60, 0, 0])],
  ])('closes a client that sends %s', async (_, bytes) => {
    await isClosed(bytes, bytes[0] !== 0x10);
    expect(box.recorder.messages).toEqual([]);
  });

  it('holds what is over 64 unacknowledged publishes, answers pings behind them, and loses none', async () => {
    const commit = gate();
    box.recorder.behaviour = () => commit.promise;
    const client = await RawClient.connect(box.port, 'a');
    client.send(...Array.from({ length: 200 }, (_, i) => publishPacket(TOPIC, `${i}`, 1, i + 1)));
    await eventually('64 are with the handlers', () => box.recorder.messages.length === 64);
    await client.ping();
    await client.ping();
    expect(box.recorder.messages).toHaveLength(64);
    expect(client.of('puback')).toEqual([]);
    commit.open();
    await client.next('puback', 200);
    expect(client.of('puback').map(({ messageId }) => messageId)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
    expect(client.of('pingresp')).toHaveLength(2);
    client.end();
  });

  it('handles all that a client sent before it disconnected or closed its side', async () => {
    for (const last of [encode({ cmd: 'disconnect' }), Buffer.alloc(0)]) {
      const slow = gate();
      box.recorder.behaviour = () => slow.promise;
      const before = box.recorder.messages.length;
      const client = await RawClient.connect(box.port, 'a');
      client.socket.end(encode(...Array.from({ length: 100 }, (_, i) => publishPacket(TOPIC, `${i}`, 1, i + 1)), last));
      await eventually('64 are with the handlers', () => box.recorder.messages.length === before + 64);
      slow.open();
      await client.closed();
      expect(box.recorder.messages).toHaveLength(before + 100);
      expect(client.of('puback')).toHaveLength(100);
    }
  });
});
