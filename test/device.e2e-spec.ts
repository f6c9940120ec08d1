import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestApp, type TestApp } from './support/app.js';
import { get, post } from './support/http.js';
import { connectDevice, connectMqtt, type Device, listenTo } from './support/mqtt.js';

let signalbox: TestApp;
let device: Device;
beforeAll(async () => {
  signalbox = await createTestApp();
  device = await connectDevice(signalbox.mqttUrl);
});
afterAll(async () => {
  await device.end();
  await signalbox.close();
});

const rejects = async (deviceId: string) =>
  (await get<{ items: { code: string; detail: string }[] }>(`${signalbox.httpUrl}/v1/rejects?deviceId=${deviceId}`))
    .body.items;

describe('up/status', () => {
  it('makes a device native: its commands go to its native topic', async () => {
    const listener = await listenTo(device.client, 'devices/lamp/down/commands/+');
    await device.publish('devices/lamp/up/status', '{"online": true, "session": "b1"}', { retain: true });
    await post(`${signalbox.httpUrl}/control`, { command: 'ON', deviceId: 'lamp' });
    expect(JSON.parse((await listener.next('the command')).payload)).toMatchObject({ type: 'ON' });
    expect(await rejects('lamp')).toEqual([]);
  });

  it('makes a device native that was foreign before', async () => {
    await device.publish('poc/moved/sensor', '{"t": 1}');
    const foreign = await listenTo(device.client, 'poc/moved/control');
    await post(`${signalbox.httpUrl}/control`, { command: 'A', deviceId: 'moved' });
    expect((await foreign.next('the foreign command')).payload).toBe('{"command":"A"}');
    await device.publish('devices/moved/up/status', '{"online": true}');
    const native = await listenTo(device.client, 'devices/moved/down/commands/+');
    await post(`${signalbox.httpUrl}/control`, { command: 'B', deviceId: 'moved' });
    expect(JSON.parse((await native.next('the native command')).payload)).toMatchObject({ type: 'B' });
  });

  it('that is no status is acknowledged, kept as a reject, and told to the device', async () => {
    const told = await listenTo(device.client, 'devices/odd/down/errors');
    await device.publish('devices/odd/up/status', '{"online": "yes"}');
    expect(await rejects('odd')).toMatchObject([{ code: 'BAD_STATUS', detail: '"online" must be true or false.' }]);
    expect(JSON.parse((await told.next('the error')).payload)).toMatchObject({ code: 'BAD_STATUS' });
  });

  it('that is empty clears the retained status and is no reject', async () => {
    await device.publish('devices/gone/up/status', '{"online": true}', { retain: true });
    await device.publish('devices/gone/up/status', '', { retain: true });
    const late = await connectMqtt(signalbox.mqttUrl);
    const listener = await listenTo(late, 'devices/+/up/status');
    await listener.next('the retained status of the lamp', ({ topic }) => topic === 'devices/lamp/up/status');
    expect(listener.received.map(({ topic }) => topic)).not.toContain('devices/gone/up/status');
    expect(await rejects('gone')).toEqual([]);
    await late.endAsync();
  });
});
