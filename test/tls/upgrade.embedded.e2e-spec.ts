import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { connect, type Socket } from 'node:net';
import { Listener, type ListenerEvents } from '../../src/mqtt/embedded/listener.js';
import { webSocketTransport } from '../../src/mqtt/embedded/web-socket.transport.js';
import { type Box, startBox } from '../mqtt/support/box.js';
import { eventually } from '../support/eventually.js';
import { RecordingAccess } from './support/tls-box.js';

let box: Box;
let port: number;

async function start(options: Parameters<typeof startBox>[0] = {}): Promise<void> {
  box = await startBox({ webSocket: { port: 0, origins: ['https://app.example'] }, ...options });
  port = Number(new URL(box.link.urls.at(-1)!).port);
}
beforeEach(() => start());
afterEach(() => box.close());

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
