import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { describeWith } from '../support/services.js';
import { eventually } from '../support/eventually.js';
import { post } from '../support/http.js';
import { type Postgres, startPostgres } from '../support/postgres.js';
import { rawHttp } from '../support/raw-http.js';
import { type BrokerBox, SECRET, startBrokerBox } from './broker-box.js';

const DENIED = { status: 200, body: { result: 'deny' } };
const authorization = `Bearer ${SECRET}`;

/** Sends it, and expects a denial with 200 that a broker can read. */
async function expectDenial(url: string, init: RequestInit): Promise<void> {
  const answer = await fetch(url, init);
  const text = await answer.text();
  expect({ status: answer.status, text }).toEqual({ status: 200, text: '{"result":"deny"}' });
  expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
}

describe('A broker gets a denial with 200, never an error', () => {
  let box: BrokerBox;
  let good: string;

  beforeAll(async () => {
    box = await startBrokerBox();
    const password = await box.device('lamp');
    const topic = 'devices/lamp/up/x';
    const lamp = { clientid: 'lamp', username: 'lamp', password, peerhost: '192.0.2.7' };
    good = JSON.stringify({ ...lamp, action: 'publish', topic });
  });
  afterAll(() => box.close());

  const asked = (headers: Record<string, string>, body: RequestInit['body'] = good): RequestInit => ({
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  });

  it('though it would be let in with the same request as it should be', async () => {
    for (const path of ['auth', 'acl']) {
      const answer = await post(`${box.httpUrl}/internal/mqtt/${path}`, good, { authorization });
      expect(answer.body).toMatchObject({ result: 'allow' });
    }
  });

  it.each(['auth', 'acl'])('on /internal/mqtt/%s without the right secret', async (path) => {
    const wrong: Record<string, string>[] = [
      {},
      { authorization: '' },
      { authorization: 'Bearer' },
      { authorization: SECRET },
      { authorization: `Basic ${SECRET}` },
      { authorization: `Bearer ${SECRET}x` },
      { authorization: `Bearer ${SECRET.slice(1)}` },
      { authorization: `Bearer ${'x'.repeat(8_000)}` },
    ];
    for (const headers of wrong) await expectDenial(`${box.httpUrl}/internal/mqtt/${path}`, asked(headers));
  });

  it.each<[string, string | Uint8Array<ArrayBuffer>]>([
    ['empty', ''],
    ['cut', '{'],
    ['an array', '[]'],
    ['null', 'null'],
    ['a string', '"x"'],
    ['of infinite numbers', '{"clientid": 1e999}'],
    ['with a NUL', String.raw`{"clientid":"a\u0000"}`],
    ['with __proto__', '{"__proto__":{}}'],
    ['not UTF-8', new Uint8Array([0x7b, 0xff, 0x7d])],
    ['too deep', '['.repeat(100_000)],
    ['too large', `"${'x'.repeat(2_000_000)}"`],
  ])('for a body that is %s', async (_, body) => {
    for (const path of ['auth', 'acl']) {
      await expectDenial(`${box.httpUrl}/internal/mqtt/${path}`, asked({ authorization }, body));
    }
  });

  it('for other types, encodings and methods', async () => {
    const odd: Record<string, string>[] = [
      { 'content-type': 'application/x-www-form-urlencoded' },
      { 'content-type': 'text/plain' },
      { 'content-type': 'application/json; charset=latin1' },
      { 'content-encoding': 'gzip' },
    ];
    const url = `${box.httpUrl}/internal/mqtt/auth`;
    for (const headers of odd) await expectDenial(url, asked({ authorization, ...headers }));
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      await expectDenial(url, { method, headers: { authorization } });
    }
  });

  it.each([
    '/internal/mqtt',
    '/internal/mqtt/',
    '/internal/mqtt/auth/',
    '/internal/mqtt/Auth',
    '/internal/mqtt/superuser',
    '/internal//mqtt/auth',
    '//internal/mqtt/auth',
    '/internal/mqtt/auth/x',
    '/INTERNAL/mqtt/auth',
    '/internal/mqtt%2fauth',
    '/%69nternal/mqtt/acl2',
  ])('at %s', async (path) => {
    const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: ${authorization}\r\n`;
    const answer = await rawHttp(box.httpUrl, `${head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`);
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toContain('{"result":"deny"}');
  });

  it('and other routes answer errors as they do', async () => {
    expect((await post(`${box.httpUrl}/internal/mqttx`, {})).status).toBe(404);
    expect((await post(`${box.httpUrl}/publish`, '{')).status).not.toBe(200);
  });
});

describe('Whoever asks who may connect is told nobody', () => {
  it.each<[string, Record<string, string>]>([
    ['where no secret is set', { MQTT_AUTH_SECRET: '' }],
    ['in open mode', { ACCESS: 'open' }],
  ])('%s', async (_, settings) => {
    const box = await startBrokerBox({ MQTT_USERNAME: 'gateway', MQTT_PASSWORD: 'our-own-password', ...settings });
    try {
      const password = await box.device('lamp');
      const topic = 'devices/lamp/up/x';
      const device = { clientid: 'lamp', username: 'lamp', password, peerhost: '192.0.2.7', action: 'publish', topic };
      const us = { clientid: 'signalbox-seat-1', username: 'gateway', password: 'our-own-password' };
      for (const body of [device, { ...us, action: 'publish', topic }]) {
        for (const headers of [authorization, 'Bearer', 'Bearer ', ''].map((value) => ({ authorization: value }))) {
          for (const path of ['auth', 'acl']) {
            expect(await post(`${box.httpUrl}/internal/mqtt/${path}`, body, headers)).toMatchObject(DENIED);
          }
        }
      }
      // What open mode refuses on every other route with 403.
      const proxied = { authorization, 'x-forwarded-for': '192.0.2.1' };
      expect(await post(`${box.httpUrl}/internal/mqtt/auth`, device, proxied)).toMatchObject(DENIED);
    } finally {
      await box.close();
    }
  });
});

describeWith(['postgres'], 'While the database is away', () => {
  let postgres: Postgres;
  let box: BrokerBox;

  beforeAll(async () => {
    postgres = await startPostgres();
    box = await startBrokerBox({ DATABASE_URL: await postgres.createDatabase() });
  });
  afterAll(async () => {
    await box.close();
    await postgres.remove();
  });

  it('every device is denied, with 200, until it is back', async () => {
    const password = await box.device('lamp');
    const lamp = { clientid: 'lamp', username: 'lamp', password, peerhost: '192.0.2.7' };
    const asked = { ...lamp, action: 'publish', topic: 'devices/lamp/up/x' };
    expect((await box.auth(asked)).body.result).toBe('allow');
    await postgres.stop();
    expect(await box.auth(asked)).toMatchObject(DENIED);
    expect(await box.acl(asked)).toMatchObject(DENIED);
    await postgres.start();
    await eventually('the device is let in again', async () => (await box.auth(asked)).body.result === 'allow', 20_000);
    expect((await box.acl(asked)).body.result).toBe('allow');
  });
});
