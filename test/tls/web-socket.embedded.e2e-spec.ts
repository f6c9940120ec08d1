import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import mqttPacket, { type Packet } from 'mqtt-packet';
import { type ClientOptions, WebSocket } from 'ws';
import { Listener, type ListenerEvents } from '../../src/mqtt/embedded/listener.js';
import { webSocketTransport } from '../../src/mqtt/embedded/web-socket.transport.js';
import { type Box, startBox } from '../mqtt/support/box.js';
import { makeAuthority } from '../mqtt/support/certificates.js';
import { connectPacket, encode, publishPacket } from '../mqtt/support/raw-client.js';
import { eventually } from '../support/eventually.js';
import { connectMqtt, listenTo } from '../support/mqtt.js';
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

/** A WebSocket that shows every MQTT packet that comes back, and how it was closed. */
class RawSocket {
  readonly received: Packet[] = [];
  closeCode: number | null = null;

  private constructor(readonly socket: WebSocket) {
    const parser = mqttPacket.parser();
    parser.on('packet', (packet: Packet) => this.received.push(packet));
    socket.on('message', (bytes: Buffer, isBinary) => {
      expect(isBinary).toBe(true);
      parser.parse(bytes);
    });
    socket.on('error', () => {});
    socket.on('close', (code) => (this.closeCode = code));
  }

  static async open(options: ClientOptions = {}): Promise<RawSocket> {
    const socket = new RawSocket(new WebSocket(url, 'mqtt', options));
    await once(socket.socket, 'open');
    return socket;
  }

  async next(cmd: Packet['cmd']): Promise<Packet> {
    return eventually(cmd, () => this.received.find((packet) => packet.cmd === cmd));
  }

  async closed(): Promise<number> {
    await eventually('it is closed', () => this.closeCode !== null);
    return this.closeCode!;
  }
}

/** The status of the answer to an upgrade, and the code of its problem document. */
async function upgrade(headers: Record<string, string | null> = {}, path = '/mqtt'): Promise<[number, string | null]> {
  const all: Record<string, string | null> = {
    Host: `127.0.0.1:${port}`,
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Protocol': 'mqtt',
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}`]));
  const socket = connect(port, '127.0.0.1');
  socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  socket.on('error', () => {});
  await eventually('an answer', () => text.startsWith('HTTP/1.1 101') || socket.closed);
  socket.destroy();
  return [Number(text.slice(9, 12)), /"code":"([A-Z_]+)"/.exec(text)?.[1] ?? null];
}

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
    const split = await RawSocket.open();
    for (const byte of encode(connectPacket('split'), publishPacket('devices/split/up/telemetry', '{"a": 1}', 1, 7))) {
      split.socket.send(Buffer.from([byte]));
    }
    expect(await split.next('puback')).toMatchObject({ messageId: 7 });
    const joined = await RawSocket.open();
    const packets = Array.from({ length: 20 }, (_, n) => publishPacket('devices/j/up/telemetry', `${n}`, 1, n + 1));
    joined.socket.send(encode(connectPacket('joined'), ...packets));
    await eventually('all are acknowledged', () => joined.received.length === 21);
    const fragments = encode(connectPacket('fragments'));
    const fragmented = await RawSocket.open();
    fragmented.socket.send(fragments.subarray(0, 5), { fin: false });
    fragmented.socket.send(fragments.subarray(5));
    await fragmented.next('connack');
    for (const { socket } of [split, joined, fragmented]) socket.terminate();
  });

  it('closes at a text frame, without reading it [MQTT-6.0.0-1]', async () => {
    const client = await RawSocket.open();
    client.socket.send(encode(connectPacket('text')));
    await client.next('connack');
    client.socket.send(encode(publishPacket('devices/text/up/telemetry', 'x')).toString('latin1'));
    await client.closed();
    expect([box.counter('refused.frame'), box.recorder.messages]).toEqual([1, []]);
  });

  it('takes no large message from strangers, and one that is larger than any packet from nobody', async () => {
    const stranger = await RawSocket.open();
    stranger.socket.send(Buffer.alloc(20_000, 0x10));
    expect(await stranger.closed()).toBe(1009);
    const client = await RawSocket.open();
    client.socket.send(encode(connectPacket('large')));
    await client.next('connack');
    client.socket.send(encode(publishPacket('devices/large/up/telemetry', Buffer.alloc(256 * 1_024, 0x20), 1, 1)));
    await client.next('puback');
    client.socket.send(Buffer.alloc(300 * 1_024));
    expect(await client.closed()).toBe(1009);
    expect(box.counter('refused.frame')).toBe(2);
  });

  it('does not compress, and closes at a frame that is none', async () => {
    const client = await RawSocket.open({ perMessageDeflate: true });
    expect(client.socket.extensions).toBe('');
    (client.socket as unknown as { _socket: Socket })._socket.write(Buffer.from([0xf2, 0x00]));
    await client.closed();
    expect(box.counter('refused.frame')).toBe(1);
  });

  it('refuses a CONNECT with its CONNACK, and then closes', async () => {
    const client = await RawSocket.open();
    client.socket.send(encode(connectPacket('a/b')));
    await client.closed();
    expect(client.received).toMatchObject([{ cmd: 'connack', returnCode: 2 }]);
  });

  it('is not read further while its messages wait for their handlers, and loses none of them', async () => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    box.recorder.behaviour = () => held;
    const client = await RawSocket.open();
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
    const slow = await RawSocket.open();
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
    const client = await RawSocket.open();
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
    const client = await RawSocket.open();
    client.socket.send(
      encode(connectPacket('gone', { will: { topic: 'demo/will', payload: Buffer.from('w'), qos: 0, retain: false } })),
    );
    await client.next('connack');
    client.socket.terminate();
    await eventually('its will is published', () => box.recorder.of('logged').includes('demo/will'));
    await eventually('it is gone', () => box.link.clients === 0);
  });
});

describe('An upgrade to a WebSocket', () => {
  const foreign = { Origin: 'https://evil.example' };

  it('is accepted without Origin, from our own pages and from those of MQTT_WS_ORIGINS', async () => {
    expect(await upgrade()).toEqual([101, null]);
    for (const Origin of [
      `http://127.0.0.1:${port}`,
      'http://127.0.0.1:3000',
      'https://app.example',
      'HTTPS://App.example',
    ]) {
      expect([Origin, ...(await upgrade({ Origin }))]).toEqual([Origin, 101, null]);
    }
    expect(await upgrade({ Host: `localhost:${port}`, Origin: `http://localhost:${port}` })).toEqual([101, null]);
  });

  it.each([
    ['another origin', foreign],
    ['no origin that it would tell', { Origin: 'null' }],
    ['another port of this machine', { Origin: 'http://127.0.0.1:8080' }],
    ['an origin of another scheme', { Origin: 'http://app.example' }],
    ['an origin that begins as an allowed one', { Origin: 'https://app.example.evil.example' }],
  ])('is refused from %s with 403', async (_, headers) => {
    expect(await upgrade(headers)).toEqual([403, 'UPGRADE_REFUSED']);
    expect(box.counter('refused.upgrade')).toBe(1);
  });

  it.each([
    ['another host name', { Host: 'evil.example' }],
    ['a forwarding header', { 'X-Forwarded-For': '192.0.2.1' }],
    ['another forwarding header', { Via: '1.1 proxy' }],
  ])('is refused in open mode with %s with 403', async (_, headers) => {
    expect(await upgrade(headers)).toEqual([403, 'OPEN_MODE']);
  });

  it('may come under any name and through a proxy where logins are required, and from our own origin only', async () => {
    await box.close();
    await start({ access: new RecordingAccess(true) });
    expect(await upgrade({ Host: 'box.lan', 'X-Forwarded-For': '192.0.2.1' })).toEqual([101, null]);
    expect(await upgrade({ Host: 'box.lan', Origin: 'http://box.lan' })).toEqual([101, null]);
    expect(await upgrade({ Host: 'box.lan', ...foreign })).toEqual([403, 'UPGRADE_REFUSED']);
    expect(await upgrade(foreign)).toEqual([403, 'UPGRADE_REFUSED']);
  });

  it('is refused at another path, without the subprotocol, without a key and as another version', async () => {
    expect(await upgrade({}, '/')).toEqual([404, 'NOT_FOUND']);
    expect(await upgrade({}, '/mqtt/')).toEqual([404, 'NOT_FOUND']);
    expect(await upgrade({}, '/mqtt?x=1')).toEqual([101, null]);
    expect(await upgrade({ 'Sec-WebSocket-Protocol': null })).toEqual([400, 'BAD_REQUEST']);
    expect(await upgrade({ 'Sec-WebSocket-Protocol': 'mqttv5' })).toEqual([400, 'BAD_REQUEST']);
    expect(await upgrade({ 'Sec-WebSocket-Protocol': 'other, mqtt' })).toEqual([101, null]);
    expect(await upgrade({ 'Sec-WebSocket-Key': null })).toEqual([400, 'BAD_REQUEST']);
    expect(await upgrade({ 'Sec-WebSocket-Version': '12' })).toEqual([400, 'BAD_REQUEST']);
    expect(await upgrade({ Host: null })).toEqual([400, expect.anything()]);
    expect(await upgrade({ Upgrade: null, Connection: null })).toEqual([426, 'UPGRADE_REQUIRED']);
    expect(await upgrade({ Large: 'x'.repeat(20_000) })).toEqual([400, 'BAD_REQUEST']);
    expect(await upgrade()).toEqual([101, null]);
  });

  it('that is slow is cut, and so is a connection that says nothing', async () => {
    const told: string[] = [];
    const events: ListenerEvents = {
      onOpened: () => {},
      onShaken: () => {},
      onConnection: () => {},
      onRefused: (why) => told.push(why),
      onError: () => {},
    };
    const rules = { isOpen: true, origins: [], isSecure: false, http: { isSecure: false, port: 0 } };
    const listener = new Listener((transportEvents) => webSocketTransport(rules, null, transportEvents), events, 300);
    const to = Number(new URL(await listener.listen('127.0.0.1', 0)).port);
    const silent = connect(to, '127.0.0.1');
    const slow = connect(to, '127.0.0.1');
    slow.write('GET /mqtt HTTP/1.1\r\nHost: localh');
    await Promise.all([closed(silent), closed(slow)]);
    expect(told).toEqual(['handshake', 'handshake']);
    listener.stop();
    await listener.emptied();
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
    await expect(RawSocket.open(foreign)).rejects.toThrow();
    expect(box.counter('refused.certificate')).toBe(1);
    const plain = connect(port, '127.0.0.1');
    plain.write('GET /mqtt HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await closed(plain);
    expect(box.counter('refused.tls')).toBe(1);
    files.remove();
  });
});
