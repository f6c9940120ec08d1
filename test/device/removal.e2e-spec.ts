import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DeviceService } from '../../src/device/device.service.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { get, type ProblemBody, remove } from '../support/http.js';
import { connectDevice, connectMqtt, type Device, listenTo } from '../support/mqtt.js';

let signalbox: TestApp;
let devices: DeviceService;
let device: Device;
beforeAll(async () => {
  signalbox = await createTestApp();
  devices = signalbox.app.get(DeviceService);
  device = await connectDevice(signalbox.mqttUrl);
});
afterAll(async () => {
  await device.end();
  await signalbox.close();
});

const removeDevice = (id: string) => remove<ProblemBody>(`${signalbox.httpUrl}/v1/devices/${id}`);
const rowOf = (id: string) =>
  signalbox.database.point.selectFrom('devices').selectAll().where('id', '=', id).executeTakeFirst();

describe('DELETE /v1/devices/{id}', () => {
  it('removes the device and its retained status, and leaves what it sent', async () => {
    await device.publish('devices/pump/up/telemetry', '{"t": 1}');
    await device.publish('devices/pump/up/status', '{"online": true, "session": "b1"}', { retain: true });
    const listener = await listenTo(device.client, 'devices/pump/up/status');
    await listener.next('the retained status');
    const { status, text } = await removeDevice('pump');
    expect({ status, text }).toEqual({ status: 204, text: '' });
    expect(await rowOf('pump')).toBeUndefined();
    expect(await devices.presenceOf('pump')).toMatchObject({ state: 'never', lastSeen: null });
    await listener.next('it was cleared', ({ payload }) => payload === '');
    const late = await connectMqtt(signalbox.mqttUrl);
    await device.publish('devices/other/up/status', '{"online": true}', { retain: true });
    const heard = await listenTo(late, 'devices/+/up/status');
    await heard.next('the other one', ({ topic }) => topic === 'devices/other/up/status');
    expect(heard.received.map(({ topic }) => topic)).not.toContain('devices/pump/up/status');
    await late.endAsync();
    expect((await get<unknown[]>(`${signalbox.httpUrl}/sensors?deviceId=pump`)).body).toHaveLength(1);
  });

  it('lets the device come back with its next message', async () => {
    await device.publish('devices/lamp/up/telemetry', '{"t": 1}');
    expect((await removeDevice('lamp')).status).toBe(204);
    await device.publish('devices/lamp/up/telemetry', '{"t": 2}');
    expect(await rowOf('lamp')).toMatchObject({ id: 'lamp', link: 'native', online: null });
    await eventually('it is seen', async () => (await rowOf('lamp'))?.last_seen);
  });

  it.each(['nobody', 'no%20id', '%2e%2e', 'x'.repeat(129)])('is 404 for %s', async (id) => {
    const { status, body } = await removeDevice(id);
    expect(status).toBe(404);
    expect(body.code).toBe(id === '%2e%2e' ? 'NOT_FOUND' : 'DEVICE_UNKNOWN');
  });

  it('waits for who has to tidy up before, and removes nothing where that fails', async () => {
    await device.publish('devices/valve/up/telemetry', '{"t": 1}');
    const told: string[] = [];
    const first = devices.onRemoval(async (id) => {
      expect(await rowOf(id)).toBeDefined();
      told.push(id);
    });
    const second = devices.onRemoval(() => Promise.reject(new Error('not now')));
    expect((await removeDevice('valve')).status).toBe(500);
    expect(await rowOf('valve')).toBeDefined();
    second();
    expect((await removeDevice('valve')).status).toBe(204);
    first();
    expect(told).toEqual(['valve', 'valve']);
  });
});
