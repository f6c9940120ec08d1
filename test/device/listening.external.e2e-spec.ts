import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DeviceService } from '../../src/device/device.service.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { connectDevice, type Device } from '../support/mqtt.js';

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

describe('At an external broker', () => {
  it('a device listens when it comes online and when it reboots, and not at each time that it says so', async () => {
    await say('pump', { online: true, session: 'b1' });
    expect(awake).toEqual(['pump']);
    await say('pump', { online: true, session: 'b1' });
    expect(awake).toEqual(['pump']);
    await say('pump', { online: true, session: 'b2' });
    expect(awake).toEqual(['pump', 'pump']);
    await say('pump', { online: false, session: 'b1' });
    await say('pump', { online: false, session: 'b2' });
    expect(awake).toHaveLength(2);
    await say('pump', { online: true, session: 'b2' });
    expect(awake).toHaveLength(3);
  });

  it('a device that is heard although it was said to be offline is told of once', async () => {
    await say('pump', { online: false, session: 'b1' });
    await other.publish('devices/pump/up/telemetry', '{"t": 1}');
    // The will may have overtaken that message.
    expect(await devices.presenceOf('pump')).toMatchObject({ state: 'offline', listens: false });
    const { database } = signalbox;
    const past = { status_at: Date.now() - 60_000, last_seen: Date.now() - 61_000 };
    await database.write([database.sql.updateTable('devices').set(past).where('id', '=', 'pump').compile()]);
    await other.publish('devices/pump/up/telemetry', '{"t": 2}');
    expect(await devices.presenceOf('pump')).toMatchObject({ state: 'unknown', listens: true });
    await eventually('it is told', () => awake.length > 0);
    expect(awake).toEqual(['pump']);
    const seen = async () => {
      const row = await database.point.selectFrom('devices').select('last_seen').where('id', '=', 'pump').execute();
      return row[0]!.last_seen!;
    };
    const before = await seen();
    await other.publish('devices/pump/up/telemetry', '{"t": 3}');
    await eventually('the next one was written', async () => (await seen()) > before);
    expect(awake).toEqual(['pump']);
  });
});
