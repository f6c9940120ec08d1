import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestApp, type TestApp } from '../support/app.js';
import { get, post, type ProblemBody } from '../support/http.js';
import { rawHttp } from '../support/raw-http.js';
import { connectMqtt, listenTo } from '../support/mqtt.js';
import { basic, type Handed, httpDevice } from './http-device.js';

let signalbox: TestApp;
beforeAll(async () => {
  signalbox = await createTestApp({ MQTT_DEVICE_RATE: '0' });
});
afterAll(async () => {
  await signalbox.close();
});

const url = (path: string) => `${signalbox.httpUrl}${path}`;
const device = (id?: string) => httpDevice(signalbox.httpUrl, id);

describe('The login of a device without MQTT', () => {
  it.each([
    ['no login', {}],
    ['another scheme', { authorization: 'Bearer abc' }],
    ['no token', { authorization: 'Basic' }],
    ['no Base64', { authorization: 'Basic !!!' }],
    ['no UTF-8', { authorization: `Basic ${Buffer.from([0x61, 0xff, 0x3a, 0x62]).toString('base64')}` }],
    ['no colon', basic('pump')],
    ['no name', basic(':secret')],
    ['a name that is no device id', basic('a b:secret')],
  ])('with %s is answered 401 with a challenge on every route', async (_, headers) => {
    for (const answer of [
      await get<ProblemBody>(url('/v1/device/commands/next'), headers),
      await post<ProblemBody>(url('/v1/device/commands/x'), { status: 'accepted' }, headers),
      await post<ProblemBody>(url('/v1/device/telemetry'), { t: 1 }, headers),
    ]) {
      expect([answer.status, answer.body.code]).toEqual([401, 'UNAUTHORIZED']);
      expect(answer.headers.get('www-authenticate')).toBe('Basic realm="devices"');
    }
  });

  it('may name the scheme in any case, and a device id that holds colons', async () => {
    const mac = device('aa:bb:cc');
    await mac.next();
    const { id } = await mac.command();
    const { authorization } = mac.login;
    const headers = { authorization: authorization.replace('Basic', 'bAsIc') };
    expect((await get<Handed>(url('/v1/device/commands/next'), headers)).body.id).toBe(id);
  });

  it('is refused to a page of another origin, which takes no command with it', async () => {
    const pump = device();
    await pump.next();
    const { id } = await pump.command();
    const headers = { ...pump.login, 'sec-fetch-site': 'cross-site' };
    const answer = await get<ProblemBody>(url('/v1/device/commands/next'), headers);
    expect([answer.status, answer.body.code]).toEqual([403, 'OPEN_MODE']);
    expect(await pump.read(id)).toMatchObject({ status: 'PENDING', attempts: 0 });
  });
});

describe('GET /v1/device/commands/next', () => {
  it('gives 204 where there is nothing', async () => {
    const { status, text, headers } = await device().next();
    expect([status, text, headers.get('content-type')]).toEqual([204, '', null]);
  });

  it.each(['61', '-1', '1.5', '30m', '0x10', '', '1&wait=2'])('refuses wait=%s with the parameter', async (wait) => {
    const path = `/v1/device/commands/next?wait=${wait}`;
    const { status, body } = await get<ProblemBody>(url(path), basic('pump:x'));
    expect([status, body.code, body.errors?.[0]?.parameter]).toEqual([400, 'VALIDATION_FAILED', 'wait']);
  });

  it('gives the command as MQTT would carry it, and then it is SENT', async () => {
    const pump = device();
    await pump.next();
    const command = await pump.command({ type: 'SET_SPEED', params: { speed: 3 } });
    const { status, headers, body } = await pump.next();
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/json');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toEqual({
      id: command.id,
      type: 'SET_SPEED',
      params: { speed: 3 },
      attempt: 1,
      expiresAt: command.expiresAt,
      ttlMs: expect.any(Number),
    });
    expect(await pump.is(command.id, 'SENT')).toMatchObject({
      attempts: 1,
      outcome: 'unknown',
      history: [{ status: 'PENDING' }, { status: 'SENT', attempt: 1 }],
    });
  });

  it.each(['30', '30s'])('with wait=%s gives a command as soon as there is one', async (wait) => {
    const pump = device();
    await pump.next();
    const waiting = pump.next(wait);
    const { id } = await pump.command();
    const began = Date.now();
    expect((await waiting).body.id).toBe(id);
    // Long before the look that it takes now and then although it heard of nothing.
    expect(Date.now() - began).toBeLessThan(3_000);
  });

  it('gives 204 when the wait is over', async () => {
    const began = Date.now();
    expect((await device().next('1')).status).toBe(204);
    expect(Date.now() - began).toBeGreaterThanOrEqual(1_000);
  });

  it('gives the oldest first, each once', async () => {
    const pump = device();
    await pump.next();
    const ids = [await pump.command(), await pump.command(), await pump.command()].map(({ id }) => id);
    expect([await pump.next(), await pump.next(), await pump.next()].map(({ body }) => body.id)).toEqual(ids);
    expect((await pump.next()).status).toBe(204);
  });

  it('gives a command that was not answered again after 5 s, to a poll that waits for it', async () => {
    const pump = device();
    await pump.next();
    const { id } = await pump.command({ maxAttempts: 2 });
    const began = Date.now();
    await pump.next();
    expect((await pump.next('10')).body).toMatchObject({ id, attempt: 2 });
    expect(Date.now() - began).toBeGreaterThanOrEqual(4_900);
    expect(Date.now() - began).toBeLessThan(8_000);
  });

  it('ends a command of mode none, which is not given again', async () => {
    const pump = device();
    await pump.next();
    const { id } = await pump.command({ mode: 'none' });
    await pump.next();
    expect(await pump.is(id, 'SENT')).toMatchObject({ final: true });
  });

  it('does not give what has expired', async () => {
    const pump = device();
    await pump.next();
    const { id } = await pump.command({ ttlMs: 1_000 });
    await pump.is(id, 'EXPIRED');
    expect((await pump.next()).status).toBe(204);
    expect(await pump.read(id)).toMatchObject({ attempts: 0, outcome: 'not_executed' });
  });

  it('gives the newest of a coalesce key only', async () => {
    const pump = device();
    await pump.next();
    const old = await pump.command({ coalesceKey: 'speed' });
    const sent = await pump.next();
    expect(sent.body.id).toBe(old.id);
    const middle = await pump.command({ coalesceKey: 'speed' });
    const newest = await pump.command({ coalesceKey: 'speed' });
    expect(await pump.is(middle.id, 'CANCELLED')).toMatchObject({ error: { code: 'SUPERSEDED' } });
    expect((await pump.next()).body.id).toBe(newest.id);
    // Both would be due again by then.
    expect((await pump.next('6')).body).toMatchObject({ id: newest.id, attempt: 2 });
    expect(await pump.read(old.id)).toMatchObject({ attempts: 1 });
  });

  it('keeps the order of a fifo queue: the next goes when the head is accepted, and not before', async () => {
    const pump = device();
    await pump.next();
    const head = await pump.command({ order: 'fifo' });
    const second = await pump.command({ order: 'fifo' });
    expect((await pump.next()).body.id).toBe(head.id);
    expect((await pump.next('1')).status).toBe(204);
    const waiting = pump.next('4');
    await pump.answer(head.id, { status: 'accepted' });
    expect((await waiting).body.id).toBe(second.id);
  });

  it('is HEAD for nobody: it takes no command', async () => {
    const pump = device();
    await pump.next();
    const { id } = await pump.command();
    const { authorization } = pump.login;
    const head = `Host: localhost\r\nAuthorization: ${authorization}\r\nConnection: close\r\n\r\n`;
    expect(await rawHttp(signalbox.httpUrl, `HEAD /v1/device/commands/next HTTP/1.1\r\n${head}`)).toMatch(
      /^HTTP\/1\.1 404 /,
    );
    expect(await pump.read(id)).toMatchObject({ status: 'PENDING', attempts: 0 });
  });
});

describe('A device that polls', () => {
  it('is there: a command that wants nobody who is offline is refused before and taken after', async () => {
    const pump = device();
    const create = () => post<ProblemBody>(url(`/v1/devices/${pump.id}/commands`), { type: 'X', offline: 'fail' });
    const refused = await create();
    expect([refused.status, refused.body.code]).toEqual([409, 'DEVICE_OFFLINE']);
    await pump.next();
    expect((await create()).status).toBe(202);
  });

  it('gets nothing over MQTT as well', async () => {
    const observer = await connectMqtt(signalbox.mqttUrl);
    const { received, next } = await listenTo(observer, 'devices/+/down/#');
    const pump = device();
    await pump.next();
    const { id } = await pump.command();
    // The other device listens, so that what is published at all has come by then.
    const other = await connectMqtt(signalbox.mqttUrl);
    const control = httpDevice(signalbox.httpUrl);
    await listenTo(other, `devices/${control.id}/down/commands/+`);
    await other.publishAsync(`devices/${control.id}/up/status`, '{"online": true}', { qos: 1 });
    const { id: carried } = await control.command();
    await next('the command of the other', ({ topic }) => topic.endsWith(carried));
    expect((await pump.next()).body.id).toBe(id);
    expect(received.filter(({ topic }) => topic.includes(pump.id))).toEqual([]);
    await Promise.all([observer.endAsync(), other.endAsync()]);
  });

  it('and listens over MQTT at the same time gets each command one way only', async () => {
    const pump = device();
    const client = await connectMqtt(signalbox.mqttUrl, { clientId: pump.id });
    const { received } = await listenTo(client, `devices/${pump.id}/down/commands/+`);
    await client.publishAsync(`devices/${pump.id}/up/status`, '{"online": true}', { qos: 1 });
    const polled: string[] = [];
    const ending = new AbortController();
    const poll = async (): Promise<void> => {
      while (!ending.signal.aborted) {
        const { status, body } = await pump.next('1');
        if (status === 200) polled.push(body.id);
      }
    };
    const polling = [poll(), poll()];
    const ids = await Promise.all(Array.from({ length: 40 }, async () => (await pump.command({ mode: 'none' })).id));
    for (const id of ids) expect(await pump.is(id, 'SENT')).toMatchObject({ attempts: 1 });
    ending.abort();
    await Promise.all(polling);
    const published = received.map(({ topic }) => topic.split('/').at(-1)!);
    expect([...published, ...polled].toSorted()).toEqual(ids.toSorted());
    await client.endAsync();
  });
});
