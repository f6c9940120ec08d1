import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/common/ids.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { get, post, type ProblemBody } from '../support/http.js';
import { connectDevice } from '../support/mqtt.js';
import { type CommandBody, newDevice, TestDevice } from './command-client.js';

let signalbox: TestApp;
beforeAll(async () => {
  signalbox = await createTestApp();
});
afterAll(async () => {
  await signalbox.close();
});

const create = <T = CommandBody>(deviceId: string, body: object, headers: Record<string, string> = {}) =>
  post<T>(`${signalbox.httpUrl}/v1/devices/${deviceId}/commands`, { type: 'X', ...body }, headers);

/** A device that was there and has said that it goes. */
async function goneDevice(): Promise<string> {
  const deviceId = newDevice();
  const device = await connectDevice(signalbox.mqttUrl, { clientId: deviceId });
  await device.publish(`devices/${deviceId}/up/telemetry`, '{"t": 1}');
  await device.publish(`devices/${deviceId}/up/status`, '{"online": false}', { retain: true });
  await device.end();
  return deviceId;
}

const refusedOf = async (deviceId: string, headers: Record<string, string> = {}) => {
  const { status, body } = await create<ProblemBody & { readonly lastSeen: string | null }>(
    deviceId,
    { offline: 'fail' },
    headers,
  );
  return status === 409 && body.code === 'DEVICE_OFFLINE' && body;
};

describe('A command with offline: fail', () => {
  it('is refused for a device that was never seen, and makes neither it nor a key', async () => {
    const [deviceId, key] = [newDevice(), { 'idempotency-key': newId() }];
    expect(await refusedOf(deviceId, key)).toMatchObject({ lastSeen: null });
    expect((await get(`${signalbox.httpUrl}/v1/devices/${deviceId}/commands`)).status).toBe(404);
    const { status, headers } = await create(deviceId, {}, key);
    expect([status, headers.get('idempotency-replayed')]).toEqual([202, null]);
  });

  it('is refused for a device that has gone, with the time when it was last seen', async () => {
    const startedAt = Date.now();
    const deviceId = await goneDevice();
    const problem = await eventually('it is refused', () => refusedOf(deviceId));
    expect(Date.parse(problem.lastSeen!)).toBeGreaterThan(startedAt - 1_000);
    expect(Date.parse(problem.lastSeen!)).toBeLessThanOrEqual(Date.now());
  });

  it('is sent to a device that is there', async () => {
    const device = await TestDevice.listen(signalbox, newDevice());
    await device.say({ online: true });
    await eventually('it is accepted', async () => (await create(device.deviceId, { offline: 'fail' })).status === 202);
    await device.nextCommand();
    await device.end();
  });
});

describe('A command with offline: queue', () => {
  it('is kept for a device that has gone, and never sent when nobody came in time', async () => {
    const deviceId = await goneDevice();
    await eventually('it is offline', () => refusedOf(deviceId));
    const { body } = await create(deviceId, { offline: 'queue', ttlMs: 1_000 }, { prefer: 'wait=20' });
    expect(body).toMatchObject({ status: 'EXPIRED', outcome: 'not_executed', attempts: 0, error: null });
    const device = await TestDevice.listen(signalbox, deviceId);
    await device.say({ online: true });
    const { id } = (await create(deviceId, {})).body;
    expect((await device.nextCommand()).id).toBe(id);
    await device.end();
  });
});
