import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { type Box, startBox } from '../mqtt/support/box.js';
import { makeAuthority } from '../mqtt/support/certificates.js';
import { connectPacket, encode, publishPacket } from '../mqtt/support/raw-client.js';
import { eventually } from '../support/eventually.js';
import { connectMqtt, listenTo } from '../support/mqtt.js';
import { RawSocket } from './support/raw-web-socket.js';
import { makeFiles, RecordingAccess } from './support/tls-box.js';

let box: Box;
let url: string;
let port: number;

async function start(options: Parameters<typeof startBox>[0] = {}): Promise<void> {
  box = await startBox({ webSocket: { port: 0, origins: ['https://app.example'] }, ...options });
  url = box.link.urls.at(-1)!;
  port = Number(new URL(url).port);
}
beforeEach(() => start());
afterEach(() => box.close());

function closed(socket: Socket): Promise<unknown> {
  socket.on('error', () => {}).resume();
  return new Promise((resolve) => socket.once('close', resolve));
}

describe('MQTT over WebSocket', () => {
  it('is off unless it is asked for, and told of with its path where it is on', async () => {
    expect(box.link.urls).toEqual([
      expect.stringMatching(/^mqtt:/),
      expect.stringMatching(/^ws:\/\/127\.0\.0\.1:\d+\/mqtt$/),
    ]);
    const without = await startBox();
    expect(without.link.urls).toHaveLength(1);
    await without.close();
  });

  it('takes messages in, acknowledges them and delivers others', async () => {
    const client = await connectMqtt(url, { clientId: 'browser' });
    const heard = await listenTo(client, 'devices/browser/down/#');
    await client.publishAsync('devices/browser/up/telemetry', '{"a": 1}', { qos: 1 });
    await client.publishAsync('devices/browser/up/telemetry', '{"a": 2}', { qos: 2 });
    expect(box.recorder.payloads).toEqual(['{"a": 1}', '{"a": 2}']);
    await box.publisher.publish({ topic: 'devices/browser/down/x', payload: 'y'.repeat(200_000), qos: 1 });
    expect((await heard.next('the message')).payload).toHaveLength(200_000);
    await client.publishAsync('devices/browser/up/telemetry', 'z'.repeat(256 * 1_024), { qos: 1 });
    await client.endAsync();
  });

  it('takes packets that are split at every byte, and many in one frame [MQTT-6.0.0-2]', async () => {
    const split = await RawSocket.open(url);
    for (const byte of encode(connectPacket('split'), publishPacket('devices/split/up/telemetry', '{"a": 1}', 1, 7))) {
      split.socket.send(Buffer.from([byte]));
    }
    expect(await split.next('puback')).toMatchObject({ messageId: 7 });
    const joined = await RawSocket.open(url);
    const packets = Array.from({ length: 20 }, (_, n) => publishPacket('devices/j/up/telemetry', `${n}`, 1, n + 1));
    joined.socket.send(encode(connectPacket('joined'), ...packets));
    await eventually('all are acknowledged', () => joined.received.length === 21);
    const fragments = encode(connectPacket('fragments'));
    const fragmented = await RawSocket.open(url);
    fragmented.socket.send(fragments.subarray(0, 5), { fin: false });
    fragmented.socket.send(fragments.subarray(5));
    await fragmented.next('connack');
    for (const { socket } of [split, joined, fragmented]) socket.terminate();
  });

  it('closes at a text frame, without reading it [MQTT-6.0.0-1]', async () => {
    const client = await RawSocket.open(url);
    client.socket.send(encode(connectPacket('text')));
    await client.next('connack');
    client.socket.send(encode(publishPacket('devices/text/up/telemetry', 'x')).toString('latin1'));
    await client.closed();
    expect([box.counter('refused.frame'), box.recorder.messages]).toEqual([1, []]);
  });

  it('takes no large message from strangers, and one that is larger than any packet from nobody', async () => {
    const stranger = await RawSocket.open(url);
    stranger.socket.send(Buffer.alloc(20_000, 0x10));
    expect(await stranger.closed()).toBe(1009);
    const client = await RawSocket.open(url);
    client.socket.send(encode(connectPacket('large')));
    await client.next('connack');
    client.socket.send(encode(publishPacket('devices/large/up/telemetry', Buffer.alloc(256 * 1_024, 0x20), 1, 1)));
    await client.next('puback');
    client.socket.send(Buffer.alloc(300 * 1_024));
    expect(await client.closed()).toBe(1009);
    expect(box.counter('refused.frame')).toBe(2);
  });

  it('does not compress, and closes at a frame that is none', async () => {
    const client = await RawSocket.open(url, { perMessageDeflate: true });
    expect(client.socket.extensions).toBe('');
    (client.socket as unknown as { _socket: Socket })._socket.write(Buffer.from([0xf2, 0x00]));
    await client.closed();
    expect(box.counter('refused.frame')).toBe(1);
  });

  it('refuses a CONNECT with its CONNACK, and then closes', async () => {
    const client = await RawSocket.open(url);
    client.socket.send(encode(connectPacket('a/b')));
    await client.closed();
    expect(client.received).toMatchObject([{ cmd: 'connack', returnCode: 2 }]);
  });

  it('is not read further while its messages wait for their handlers, and loses none of them', async () => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    box.recorder.behaviour = () => held;
    const client = await RawSocket.open(url);
    client.socket.send(encode(connectPacket('flood')));
    await client.next('connack');
    const payload = Buffer.alloc(100_000, 0x20);
    for (let n = 1; n <= 300; n++)
      client.socket.send(encode(publishPacket('devices/flood/up/telemetry', payload, 1, n)));
    await eventually('as many as may wait are with their handler', () => box.recorder.messages.length >= 64);
    expect(client.socket.bufferedAmount).toBeGreaterThan(5_000_000);
    expect(box.recorder.messages).toHaveLength(64);
    release();
    await eventually('all are acknowledged', () => client.received.length === 301);
    client.socket.terminate();
  });

  it('does not let a reader that reads nothing hold up others', async () => {
    const slow = await RawSocket.open(url);
    slow.socket.send(encode(connectPacket('slow', { keepalive: 0 })));
    await slow.next('connack');
    slow.socket.send(encode({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'demo/flood', qos: 0 }] }));
    await slow.next('suback');
    slow.socket.pause();
    const payload = 'x'.repeat(200_000);
    for (let n = 0; n < 200; n++) await box.publisher.publish({ topic: 'demo/flood', payload, qos: 0 });
    const quick = await connectMqtt(url, { clientId: 'quick' });
    const began = performance.now();
    await quick.publishAsync('devices/quick/up/telemetry', '{"a": 1}', { qos: 1 });
    expect(performance.now() - began).toBeLessThan(2_000);
    await quick.endAsync();
    slow.socket.terminate();
  });

  it('ends with the broker, also where the other side never answers', async () => {
    const client = await RawSocket.open(url);
    client.socket.send(encode(connectPacket('stays')));
    await client.next('connack');
    (client.socket as unknown as { _socket: Socket })._socket.pause();
    const shaking = connect(port, '127.0.0.1');
    await once(shaking, 'connect');
    const began = performance.now();
    await box.close();
    expect(performance.now() - began).toBeLessThan(5_000);
    client.socket.terminate();
    shaking.destroy();
    await start();
  });

  it('forgets a client whose connection ends without a word', async () => {
    const client = await RawSocket.open(url);
    client.socket.send(
      encode(connectPacket('gone', { will: { topic: 'demo/will', payload: Buffer.from('w'), qos: 0, retain: false } })),
    );
    await client.next('connack');
    client.socket.terminate();
    await eventually('its will is published', () => box.recorder.of('logged').includes('demo/will'));
    await eventually('it is gone', () => box.link.clients === 0);
  });
});

describe('MQTT over WebSocket with certificates', () => {
  it('speaks wss, tells the CN to the login and refuses a foreign certificate and plain text', async () => {
    await box.close();
    const files = makeFiles();
    const { served, authority } = files;
    const access = new RecordingAccess(true);
    await start({ access, tls: { mqttCert: served.cert, mqttKey: served.key, mqttCa: authority.ca } });
    expect(box.link.urls).toEqual([
      expect.stringMatching(/^mqtt:/),
      expect.stringMatching(/^wss:\/\/127\.0\.0\.1:\d+\/mqtt$/),
    ]);
    const device = authority.issue('pump-1');
    const ca = readFileSync(authority.ca);
    const shown = { ca, cert: readFileSync(device.cert), key: readFileSync(device.key) };
    const client = await connectMqtt(url, { clientId: 'pump-1', ...shown });
    await client.publishAsync('devices/pump-1/up/telemetry', '{"a": 1}', { qos: 1 });
    await client.endAsync();
    expect(access.logins).toMatchObject([{ certificateName: 'pump-1' }]);
    const stranger = makeAuthority(files.directory, 'foreign').issue('pump-1');
    const foreign = { ca, cert: readFileSync(stranger.cert), key: readFileSync(stranger.key) };
    await expect(RawSocket.open(url, foreign)).rejects.toThrow();
    expect(box.counter('refused.certificate')).toBe(1);
    const plain = connect(port, '127.0.0.1');
    plain.write('GET /mqtt HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await closed(plain);
    expect(box.counter('refused.tls')).toBe(1);
    files.remove();
  });
});
