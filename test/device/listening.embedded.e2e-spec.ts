import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DeviceService } from '../../src/device/device.service.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { closed, connectDevice, type Device } from '../support/mqtt.js';

let signalbox: TestApp;
let devices: DeviceService;
let other: Device;
let awake: string[];
let end: () => void;
beforeEach(async () => {
  signalbox = await createTestApp();
  devices = signalbox.app.get(DeviceService);
  other = await connectDevice(signalbox.mqttUrl, { clientId: 'somebody-else' });
  awake = [];
  end = devices.onListening((deviceId) => awake.push(deviceId));
});
afterEach(async () => {
  end();
  await other.end();
  await signalbox.close();
});

const say = (id: string, status: object) =>
  other.publish(`devices/${id}/up/status`, JSON.stringify(status), { retain: true });

describe('At the embedded broker', () => {
  it('a device listens from its subscription on, and is gone when its connection is', async () => {
    const pump = await connectDevice(signalbox.mqttUrl, { clientId: 'pump' });
    expect(await devices.presenceOf('pump')).toMatchObject({ state: 'online', listens: false });
    expect(awake).toEqual([]);
    await pump.client.subscribeAsync('devices/pump/down/#', { qos: 1 });
    expect(await devices.presenceOf('pump')).toMatchObject({ state: 'online', listens: true });
    expect(awake).toEqual(['pump']);
    await pump.publish('devices/pump/up/telemetry', '{"t": 1}');
    pump.client.stream.destroy();
    await closed(pump.client);
    const gone = await eventually('it is gone', async () => {
      const presence = await devices.presenceOf('pump');
      return presence.state !== 'online' && presence;
    });
    expect(gone).toEqual({
      state: 'offline',
      since: expect.any(Number),
      reason: 'connection_lost',
      source: 'broker',
      lastSeen: expect.any(Number),
      session: null,
      listens: false,
    });
  });

  it('a device does not listen because it says that it is online', async () => {
    await say('lamp', { online: true, session: 'b1' });
    expect(await devices.presenceOf('lamp')).toMatchObject({ state: 'online', listens: false });
    expect(awake).toEqual([]);
  });

  it('a device that polls over HTTP does not listen', async () => {
    await devices.notePoll('poller');
    expect(await devices.presenceOf('poller')).toMatchObject({ state: 'online', listens: false });
  });
});
