import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { newId } from '../../src/common/ids.js';
import { basic } from '../control/http-device.js';
import { eventually } from '../support/eventually.js';
import { get, post, type ProblemBody } from '../support/http.js';
import { connectDevice } from '../support/mqtt.js';
import { Stage } from './support/stage.js';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.start();
});
afterEach(async () => {
  await stage.holds('a-secret');
});
afterAll(async () => {
  await stage.logsRefusals();
  await stage.stop();
});

const MIB = 1_048_576;
const CHUNK = `10000\r\n${' '.repeat(65_536)}\r\n`;
const ID = '019aa7c0-7d7e-7cc2-9f52-1f4ad2f3a9c1';
/** Every route that reads a body, and one that it would take. */
const ROUTES: readonly (readonly [string, object])[] = [
  ['/publish', { message: 'a' }],
  ['/control', { command: 'X' }],
  ['/v1/devices', { id: 'limits-of-mine' }],
  ['/v1/api-keys', { name: 'limits', scopes: ['admin'] }],
  ['/v1/session', { key: 'x' }],
  ['/v1/devices/limits/commands', { type: 'X' }],
  [`/v1/commands/${ID}/cancel`, {}],
  [`/v1/device/commands/${ID}`, { status: 'succeeded' }],
  ['/v1/device/telemetry', { t: 1 }],
];
const login = (deviceId = 'limits') => basic(`${deviceId}:a-secret`);
const HEAD = (path: string, ...headers: readonly string[]) =>
  [`POST ${path} HTTP/1.1`, 'Host: localhost', `Authorization: ${login().authorization}`, ...headers, '', ''].join(
    '\r\n',
  );

/** Sends a head and then nothing; resolves with what comes back at once, the body still owed. */
async function answerToHead(head: string): Promise<string> {
  const { socket, received } = await open(head);
  await eventually('an answer', () => received().includes('"requestId"'), 3_000);
  socket.destroy();
  return received();
}

async function open(head: string): Promise<{ readonly socket: Socket; readonly received: () => string }> {
  const { hostname, port } = new URL(stage.service.httpUrl);
  const socket = connect(Number(port), hostname);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => {});
  await once(socket, 'connect');
  socket.write(head);
  return { socket, received: () => Buffer.concat(chunks).toString('utf8') };
}

describe('body over the limit, chunked without end, gzip bomb', () => {
  it.each(ROUTES)('(over the limit, %s) 413', async (path) => {
    const body = JSON.stringify({ a: 'x'.repeat(MIB) });
    await stage.refuses({ status: 413, code: 'BODY_TOO_LARGE' }, () =>
      post<ProblemBody>(stage.url(path), body, login()),
    );
  });

  it.each(ROUTES)('(10 GB announced, %s) 413 before any of it is sent', async (path) => {
    const head = HEAD(path, 'Content-Type: application/json', `Content-Length: ${10_000 * MIB}`);
    expect(await answerToHead(head)).toMatch(/^HTTP\/1\.1 413 [^]*"code":"BODY_TOO_LARGE"/);
  });

  it.each(ROUTES)('(chunked without end, %s) 413 as soon as it is over the limit', async (path) => {
    const head = HEAD(path, 'Content-Type: application/json', 'Transfer-Encoding: chunked');
    // A client that goes on would not read the answer.
    expect(await answerToHead(head + CHUNK.repeat(17))).toMatch(/^HTTP\/1\.1 413 [^]*"code":"BODY_TOO_LARGE"/);
  });

  it('(chunked without end, by a client that does not stop) counted and closed, and no more than a few MiB are taken', async () => {
    const before = await stage.health();
    const { socket } = await open(HEAD('/publish', 'Content-Type: application/json', 'Transfer-Encoding: chunked'));
    let sent = 0;
    while (!socket.destroyed && sent < 64 * MIB) {
      sent += CHUNK.length;
      if (!socket.write(CHUNK)) {
        await new Promise((resolve) => void socket.once('drain', resolve).once('close', resolve));
      }
    }
    await eventually('closed', () => socket.closed);
    expect(sent).toBeLessThan(32 * MIB); // the buffers of both kernels included
    const count = ({ http }: typeof before) => http.refused['BODY_TOO_LARGE'] ?? 0;
    expect(count(await stage.health())).toBe(count(before) + 1);
  });

  it.each(['gzip', 'deflate', 'br', 'x-gzip', 'identity, gzip'])(
    '(a bomb with %s) 415 on its head alone',
    async (encoding) => {
      const bomb = gzipSync(Buffer.alloc(16 * MIB));
      for (const [path] of ROUTES) {
        const head = HEAD(
          path,
          'Content-Type: application/json',
          `Content-Encoding: ${encoding}`,
          `Content-Length: ${bomb.length}`,
        );
        expect(await answerToHead(head)).toMatch(/^HTTP\/1\.1 415 [^]*"code":"UNSUPPORTED_MEDIA_TYPE"/);
      }
    },
  );
});

describe('wrong content type or charset', () => {
  const TYPES = [
    'text/plain',
    'text/json',
    'text/csv',
    'application/xml',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonp',
    'application/json+evil',
    'application/json; charset=utf-16',
    'application/json; charset=iso-8859-1',
    'application/json; charset="utf-7"',
    'application/json; charset=utf-8; charset=utf-16',
    'nonsense',
  ];

  it.each(ROUTES)('(each of them, %s) 415', async (path, body) => {
    for (const type of TYPES) {
      await stage.refuses({ status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' }, () =>
        post<ProblemBody>(stage.url(path), body, { ...login(), 'content-type': type }),
      );
    }
  });

  it.each(ROUTES)('(none at all, %s) 415', async (path, body) => {
    const text = JSON.stringify(body);
    expect(await answerToHead(`${HEAD(path, `Content-Length: ${text.length}`)}${text}`)).toMatch(
      /^HTTP\/1\.1 415 [^]*"code":"UNSUPPORTED_MEDIA_TYPE"/,
    );
  });
});

describe('one bad item in a batch of 1,000', () => {
  const BAD = 617;
  const batch = Array.from({ length: 1_000 }, (_, n) => (n === BAD ? { n: { deep: 'x'.repeat(2_000) } } : { n }));
  const good = batch.filter((_, n) => n !== BAD);

  async function storedOf(deviceId: string): Promise<void> {
    const { body } = await get<{ payload: unknown }[]>(stage.url(`/sensors?deviceId=${deviceId}&limit=1000`));
    expect(body.map(({ payload }) => payload)).toEqual(good);
    const rejects = await get<{ items: unknown[] }>(stage.url(`/v1/rejects?deviceId=${deviceId}`));
    expect(rejects.body.items).toMatchObject([{ code: 'BAD_VALUE', detail: expect.stringContaining(`${BAD}`) }]);
  }

  it('(over HTTP) a verdict for that one, the good ones stored', async () => {
    const deviceId = newId();
    const { status, body } = await post(stage.url('/v1/device/telemetry'), batch, login(deviceId));
    expect([status, body]).toEqual([
      200,
      { stored: 999, duplicates: 0, rejected: [{ index: BAD, code: 'BAD_VALUE', detail: expect.any(String) }] },
    ]);
    await storedOf(deviceId);
  });

  it('(over MQTT) acknowledged, the good ones stored, and the device told of the one', async () => {
    const deviceId = newId();
    const device = await connectDevice(stage.service.mqttUrl, { clientId: deviceId });
    const told: unknown[] = [];
    device.client.on('message', (_, payload) => told.push(JSON.parse(payload.toString('utf8'))));
    await device.client.subscribeAsync(`devices/${deviceId}/down/errors`);
    await device.publish(`devices/${deviceId}/up/telemetry`, JSON.stringify(batch));
    await storedOf(deviceId);
    await eventually('the device is told', () => told.length > 0);
    expect(told).toMatchObject([{ code: 'BAD_VALUE' }]);
    await device.end();
  });
});
