import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/common/ids.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { get, post, type ProblemBody } from '../support/http.js';
import { type CommandBody, newDevice, TestDevice } from './command-client.js';

let signalbox: TestApp;
beforeAll(async () => {
  signalbox = await createTestApp({ MQTT_DEVICE_RATE: '0' });
});
afterAll(async () => {
  await signalbox.close();
});

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const commandsUrl = (deviceId: string) => `${signalbox.httpUrl}/v1/devices/${deviceId}/commands`;
const create = <T = CommandBody>(deviceId: string, body: unknown, headers: Record<string, string> = {}) =>
  post<T>(commandsUrl(deviceId), body, headers);
const read = async (id: string) => (await get<CommandBody>(`${signalbox.httpUrl}/v1/commands/${id}`)).body;

describe('POST /v1/devices/{deviceId}/commands', () => {
  it('needs no more than a type, and answers 202 with the whole command and its place', async () => {
    const deviceId = newDevice();
    const { status, headers, body } = await create(deviceId, { type: 'TURN_ON_FAN' });
    expect(status).toBe(202);
    expect(headers.get('location')).toBe(`/v1/commands/${body.id}`);
    expect(headers.get('preference-applied')).toBeNull();
    expect(headers.get('idempotency-replayed')).toBeNull();
    expect(body).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
      deviceId,
      type: 'TURN_ON_FAN',
      params: {},
      mode: 'result',
      status: 'PENDING',
      final: false,
      outcome: 'not_executed',
      attempts: 0,
      createdAt: TIME,
      expiresAt: TIME,
      deadlineAt: null,
      cancelRequestedAt: null,
      progress: null,
      result: null,
      error: null,
      lateResult: null,
      metadata: {},
      history: [{ status: 'PENDING', at: TIME }],
    });
    expect(Date.parse(body.expiresAt) - Date.parse(body.createdAt)).toBe(60_000);
    expect(await read(body.id)).toMatchObject({ id: body.id, deviceId });
  });

  it('answers 201 with the final command where the device has done it within the wait', async () => {
    const device = await TestDevice.listen(signalbox, newDevice());
    const asked = create(device.deviceId, { type: 'READ', params: { n: 1 } }, { prefer: 'wait=15' });
    const { id } = await device.nextCommand();
    await device.answer(id, { status: 'succeeded', result: { t: 21.5 } });
    const { status, headers, body } = await asked;
    expect(status).toBe(201);
    expect(headers.get('preference-applied')).toBe('wait=15');
    expect(body).toMatchObject({ id, status: 'SUCCEEDED', final: true, outcome: 'executed', result: { t: 21.5 } });
    await device.end();
  });

  it('answers 202 with the state of that moment where the wait is over first', async () => {
    const device = await TestDevice.listen(signalbox, newDevice());
    const startedAt = performance.now();
    const { status, headers, body } = await create(device.deviceId, { type: 'READ' }, { prefer: 'wait=1' });
    expect(performance.now() - startedAt).toBeGreaterThan(950);
    expect([status, headers.get('preference-applied')]).toEqual([202, 'wait=1']);
    expect(body).toMatchObject({ status: expect.stringMatching(/SENT|DELIVERED/), final: false, attempts: 1 });
    await device.end();
  });

  it.each([
    ['an empty body', ''],
    ['an array', []],
    ['a text', '"TURN_ON"'],
    ['null', 'null'],
  ])('refuses %s', async (_, body) => {
    expect((await create(newDevice(), body)).status).toBe(400);
  });

  it('refuses a device id that can be none', async () => {
    for (const deviceId of ['a%2Fb', '__proto__', '-x', 'x'.repeat(129), 'a%00', 'ä']) {
      const { status, body } = await create<ProblemBody>(deviceId, { type: 'X' });
      expect([status, body.errors]).toEqual([400, [expect.objectContaining({ parameter: 'deviceId' })]]);
    }
  });

  it('gives a repeat with the same key the same command', async () => {
    const [deviceId, key] = [newDevice(), { 'idempotency-key': newId() }];
    const first = await create(deviceId, { type: 'X', params: { a: 1, b: 2 } }, key);
    const second = await create(deviceId, { params: { b: 2, a: 1 }, type: 'X' }, key);
    expect(first.headers.get('idempotency-replayed')).toBeNull();
    expect([second.status, second.headers.get('idempotency-replayed')]).toEqual([202, 'true']);
    expect(second.headers.get('location')).toBe(first.headers.get('location'));
    expect(second.body.id).toBe(first.body.id);
  });
});
