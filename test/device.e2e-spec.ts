import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { MqttClient } from 'mqtt';
import { createTestApp, type TestApp } from './support/app.js';
import { get, post } from './support/http.js';
import { connectMqtt, listenTo } from './support/mqtt.js';

let signalbox: TestApp;
let device: MqttClient;
beforeAll(async () => {
  signalbox = await createTestApp();
  device = await connectMqtt(signalbox.mqttUrl);
});
afterAll(async () => {
  await device.endAsync();
  await signalbox.close();
});

const rejects = async (deviceId: string) =>
  (await get<{ items: { code: string; detail: string }[] }>(`${signalbox.httpUrl}/v1/rejects?deviceId=${deviceId}`))
    .body.items;

describe('up/status', () => {
  it('makes a device native: its commands go to its native topic', async () => {
    const listener = await listenTo(device, 'devices/lamp/down/commands/+');
    await device.publishAsync('devices/lamp/up/status', '{"online": true, "session": "b1"}', { qos: 1, retain: true });
    await post(`${signalbox.httpUrl}/control`, { command: 'ON', deviceId: 'lamp' });
    expect(JSON.parse((await listener.next('the command')).payload)).toMatchObject({ type: 'ON' });
    expect(await rejects('lamp')).toEqual([]);
  });

  it('makes a device native that was foreign before', async () => {
    await device.publishAsync('poc/moved/sensor', '{"t": 1}', { qos: 1 });
    const foreign = await listenTo(device, 'poc/moved/control');
    await post(`${signalbox.httpUrl}/control`, { command: 'A', deviceId: 'moved' });
    expect((await foreign.next('the foreign command')).payload).toBe('{"command":"A"}');
    await device.publishAsync('devices/moved/up/status', '{"online": true}', { qos: 1 });
    const native = await listenTo(device, 'devices/moved/down/commands/+');
    await post(`${signalbox.httpUrl}/control`, { command: 'B', deviceId: 'moved' });
    expect(JSON.parse((await native.next('the native command')).payload)).toMatchObject({ type: 'B' });
  });

  it('that is no status is acknowledged, kept as a reject, and told to the device', async () => {
    const told = await listenTo(device, 'devices/odd/down/errors');
    await device.publishAsync('devices/odd/up/status', '{"online": "yes"}', { qos: 1 });
    expect(await rejects('odd')).toMatchObject([{ code: 'BAD_STATUS', detail: '"online" must be true or false.' }]);
    expect(JSON.parse((await told.next('the error')).payload)).toMatchObject({ code: 'BAD_STATUS' });
  });

  it('that is empty clears the retained status and is no reject', async () => {
    await device.publishAsync('devices/gone/up/status', '{"online": true}', { qos: 1, retain: true });
    await device.publishAsync('devices/gone/up/status', '', { qos: 1, retain: true });
    const late = await connectMqtt(signalbox.mqttUrl);
    const listener = await listenTo(late, 'devices/+/up/status');
    await listener.next('the retained status of the lamp', ({ topic }) => topic === 'devices/lamp/up/status');
    expect(listener.received.map(({ topic }) => topic)).not.toContain('devices/gone/up/status');
    expect(await rejects('gone')).toEqual([]);
    await late.endAsync();
  });
});

describe('up/commands', () => {
  it('is acknowledged and is no reject', async () => {
    await device.publishAsync('devices/pump/up/commands/c1', '{"status": "accepted"}', { qos: 1 });
    await device.publishAsync('devices/pump/up/commands/get', '{}', { qos: 1 });
    expect(await rejects('pump')).toEqual([]);
  });
});
