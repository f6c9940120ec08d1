import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/common/ids.js';
import { TestDevice } from '../control/command-client.js';
import { basic } from '../control/http-device.js';
import { createTestApp } from '../support/app.js';
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

const ID = '019aa7c0-7d7e-7cc2-9f52-1f4ad2f3a9c1';
const TELEMETRY = '/v1/device/telemetry';
/** Routes that read a body, a body that they would take, and a field of it that may hold any JSON. */
const ROUTES: readonly (readonly [string, object, string])[] = [
  ['/publish', { message: 'a', topic: 'demo/fields' }, 'message'],
  ['/control', { command: 'X', deviceId: 'fields' }, 'params'],
  ['/v1/devices', { id: 'fields-of-mine' }, 'tags'],
  ['/v1/api-keys', { name: 'fields', scopes: ['admin'] }, 'tags'],
  ['/v1/session', { key: 'x' }, 'key'],
  ['/v1/devices/fields/commands', { type: 'X' }, 'metadata'],
  [`/v1/commands/${ID}/cancel`, {}, 'reason'],
  [`/v1/device/commands/${ID}`, { status: 'succeeded' }, 'result'],
];
const login = (deviceId: string) => basic(`${deviceId}:a-secret`);
const send = (path: string, body: unknown) => post<ProblemBody>(stage.url(path), body, login('fields'));
const readings = async (deviceId: string) => (await get<unknown[]>(stage.url(`/sensors?deviceId=${deviceId}`))).body;

describe('`__proto__` anywhere, unknown fields', () => {
  it.each(ROUTES)('(__proto__ at the top, %s) 400', async (path, body) => {
    const text = `{"__proto__": {"polluted": true}, ${JSON.stringify(body).slice(1)}`.replace(', }', '}');
    await stage.refuses({ status: 400, code: 'BAD_JSON', at: '/__proto__' }, () => send(path, text));
  });

  it.each(ROUTES)('(__proto__ deep inside, %s) 400', async (path, body, field) => {
    const text = JSON.stringify({ ...body, [field]: [{ a: 0 }] }).replace('{"a":0}', '{"a": {"__proto__": 1}}');
    await stage.refuses({ status: 400, code: 'BAD_JSON', at: `/${field}/0/a/__proto__` }, () => send(path, text));
  });

  it.each(ROUTES)('(an escaped __proto__, %s) 400', async (path) => {
    const text = '{"\\u005f_proto__": {"polluted": true}}';
    await stage.refuses({ status: 400, code: 'BAD_JSON', at: '/__proto__' }, () => send(path, text));
  });

  it.each(ROUTES)('(an unknown field, %s) 400', async (path, body) => {
    await stage.refuses({ status: 400, code: 'VALIDATION_FAILED', at: '/nobody' }, () =>
      send(path, { ...body, nobody: 1 }),
    );
  });

  it.each(ROUTES)('(a name that every object inherits as an unknown field, %s) 400', async (path, body) => {
    for (const name of ['constructor', 'toString', 'hasOwnProperty']) {
      await stage.refuses({ status: 400, code: 'VALIDATION_FAILED', at: `/${name}` }, () =>
        send(path, { ...body, [name]: { prototype: { polluted: true } } }),
      );
    }
  });

  it.each([
    ['__proto__ at the top', '{"__proto__": {"polluted": 1}, "t": 1}', 'FORBIDDEN_KEY'],
    ['__proto__ deep inside', '{"t": 1, "a": {"b": {"__proto__": 1}}}', 'FORBIDDEN_KEY'],
    ['__proto__ in an array', '{"t": [{"__proto__": 1}]}', 'FORBIDDEN_KEY'],
    ['__proto__ in an envelope', '{"values": {"t": 1}, "__proto__": {"ack": true}}', 'FORBIDDEN_KEY'],
    ['an unknown field', '{"values": {"t": 1}, "nobody": 1}', 'UNKNOWN_FIELD'],
  ])('(%s, telemetry) a verdict, and nothing stored', async (_, text, code) => {
    const deviceId = newId();
    const { status, body } = await post(stage.url(TELEMETRY), text, login(deviceId));
    expect(status).toBe(200);
    expect(body).toMatchObject({ stored: 0, rejected: [{ index: 0, code }] });
    expect(await readings(deviceId)).toEqual([]);
  });

  it('(no object is polluted) whatever route or topic it comes by', async () => {
    const names = () => Object.getOwnPropertyNames(Object.prototype).toSorted();
    const before = names();
    // In this very process, so that the objects are the same.
    const signalbox = await createTestApp();
    const evil = '{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}';
    for (const path of [...ROUTES.map(([route]) => route), TELEMETRY]) {
      await post(`${signalbox.httpUrl}${path}`, evil, login('fields'));
      await post(`${signalbox.httpUrl}${path}`, `{"params": ${evil}, "values": ${evil}}`, login('fields'));
      await post(`${signalbox.httpUrl}${path}?__proto__[polluted]=1&constructor.prototype.polluted=1`, '{}');
    }
    const device = await connectDevice(signalbox.mqttUrl);
    for (const topic of ['telemetry', 'telemetry/__proto__', 'events/__proto__', 'status', `commands/${ID}`]) {
      await device.publish(`devices/fields/up/${topic}`, evil);
      await device.publish(`devices/fields/up/${topic}`, `[${evil}, {"values": ${evil}}]`);
    }
    await device.end();
    await signalbox.close();
    expect(names()).toEqual(before);
    expect('polluted' in {}).toBe(false);
  });

  it('(constructor in params) is an ordinary key, all the way to the device', async () => {
    const params = { constructor: { prototype: { a: 1 } }, a: [{ constructor: null }] };
    const device = await TestDevice.listen(stage.service, newId());
    const { status } = await post(stage.url(`/v1/devices/${device.deviceId}/commands`), { type: 'X', params });
    expect(status).toBe(202);
    expect(await device.nextCommand()).toMatchObject({ params });
    await device.end();
  });

  it('(constructor in telemetry) is an ordinary metric, over HTTP and MQTT', async () => {
    const deviceId = newId();
    const values = { constructor: 1, a: { toString: 2 } };
    expect((await post(stage.url(TELEMETRY), values, login(deviceId))).body).toMatchObject({ stored: 1 });
    const device = await connectDevice(stage.service.mqttUrl, { clientId: deviceId });
    await device.publish(`devices/${deviceId}/up/telemetry`, JSON.stringify(values));
    await device.end();
    expect(await readings(deviceId)).toMatchObject([{ payload: values }, { payload: values }]);
  });
});
