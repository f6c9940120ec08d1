import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DeviceService } from '../../src/device/device.service.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { hasExternalBroker, settled } from '../support/backends.js';
import { eventually } from '../support/eventually.js';
import { closed, connectDevice, connectMqtt, type Device } from '../support/mqtt.js';

let signalbox: TestApp;
let devices: DeviceService;
let other: Device;
let made = 0;
beforeAll(async () => {
  signalbox = await createTestApp();
  devices = signalbox.app.get(DeviceService);
  // Its own id is no device's, so that it is nobody's connection.
  other = await connectDevice(signalbox.mqttUrl, { clientId: 'somebody-else' });
});
afterAll(async () => {
  await other.end();
  await signalbox.close();
});

const newDevice = () => `device-${++made}`;
const say = (id: string, status: object | '', retain = true) =>
  other.publish(`devices/${id}/up/status`, status === '' ? '' : JSON.stringify(status), { retain });
const rowOf = (id: string) =>
  signalbox.database.point.selectFrom('devices').selectAll().where('id', '=', id).executeTakeFirst();
const stateOf = async (id: string) => (await devices.presenceOf(id)).state;

describe('up/status', () => {
  it('is kept with its session and the time it came', async () => {
    const id = newDevice();
    const before = Date.now();
    await say(id, { online: true, session: 'b1' });
    const row = await rowOf(id);
    expect(row).toMatchObject({ link: 'native', online: 1, session: 'b1' });
    expect(row!.status_at).toBeGreaterThanOrEqual(before);
    expect(row!.status_at).toBeLessThanOrEqual(Date.now());
    expect(await stateOf(id)).toBe('online');
    await say(id, { online: false, session: 'b1' });
    expect(await rowOf(id)).toMatchObject({ online: 0, session: 'b1' });
    expect(await stateOf(id)).toBe('offline');
  });

  it('of a session that is over changes nothing: a stale will after a quick reconnect', async () => {
    const id = newDevice();
    const topic = `devices/${id}/up/status`;
    const will = { topic, payload: Buffer.from('{"online":false,"session":"b1"}'), qos: 1, retain: true } as const;
    const first = await connectDevice(signalbox.mqttUrl, { will });
    await first.publish(topic, '{"online":true,"session":"b1"}', { retain: true });
    await say(id, { online: true, session: 'b2' });
    const before = await rowOf(id);
    // The broker publishes the will of a connection that breaks.
    const watcher = await connectMqtt(signalbox.mqttUrl);
    let wills = 0;
    watcher.on('message', (_topic, payload, { retain }) => {
      if (!retain && payload.includes('false')) wills++;
    });
    await watcher.subscribeAsync(topic, { qos: 1 });
    first.client.stream.destroy();
    await closed(first.client);
    await eventually('the will was published', () => wills === 1);
    await watcher.endAsync();
    await settled(signalbox.mqttUrl);
    expect(await rowOf(id)).toEqual(before);
    expect(await stateOf(id)).toBe('online');
  });

  it('counts as it came where one side names no session', async () => {
    const id = newDevice();
    await say(id, { online: true });
    await say(id, { online: false, session: 'b1' });
    expect(await rowOf(id)).toMatchObject({ online: 0, session: null });
    await say(id, { online: true, session: 'b2' });
    await say(id, { online: false });
    expect(await rowOf(id)).toMatchObject({ online: 0, session: 'b2' });
  });

  it.each<[string, readonly object[], object]>([
    [
      'a will of the old session last',
      [
        { online: true, session: 'b2' },
        { online: false, session: 'b1' },
      ],
      { online: 1 },
    ],
    [
      'its own will last',
      [
        { online: true, session: 'b1' },
        { online: false, session: 'b1' },
      ],
      { online: 0 },
    ],
    [
      'a reboot last',
      [
        { online: false, session: 'b1' },
        { online: true, session: 'b2' },
      ],
      { online: 1, session: 'b2' },
    ],
  ])('is taken in the order of arrival within one batch: %s', async (_, said, expected) => {
    const id = newDevice();
    const others = [newDevice(), newDevice()];
    // All of one write reach Signalbox in one turn.
    other.client.stream.cork();
    const sent = [...said, ...said].flatMap((status) =>
      [id, ...others].map((one) =>
        other.client.publishAsync(`devices/${one}/up/status`, JSON.stringify(status), { qos: 1 }),
      ),
    );
    other.client.stream.uncork();
    await Promise.all(sent);
    await settled(signalbox.mqttUrl);
    for (const one of [id, ...others]) expect(await rowOf(one)).toMatchObject(expected);
  });

  it('that is empty clears what is known, and makes no device', async () => {
    const id = newDevice();
    await say(id, { online: true, session: 'b1' });
    await say(id, '');
    expect(await rowOf(id)).toMatchObject({ online: null, session: null });
    const nobody = newDevice();
    await say(nobody, '');
    expect(await rowOf(nobody)).toBeUndefined();
    expect(await devices.presenceOf(nobody)).toMatchObject({ state: 'never', lastSeen: null });
  });
});

describe('presence', () => {
  it('is never for a device that nobody has heard of, although it was sent a command', async () => {
    const id = newDevice();
    expect(await devices.presenceOf(id)).toMatchObject({ state: 'never', lastSeen: null });
    await signalbox.database.write([devices.registration(id, 'native', Date.now())]);
    expect(await devices.presenceOf(id)).toMatchObject({ state: 'never', lastSeen: null });
  });

  it('knows at once that a device was seen, and that it is not there where only the broker could tell', async () => {
    const id = newDevice();
    const before = Date.now();
    await other.publish(`devices/${id}/up/telemetry`, '{"t": 1}');
    const { state, lastSeen, listens } = await devices.presenceOf(id);
    // An external broker does not tell who is connected.
    expect({ state, listens }).toEqual(
      hasExternalBroker ? { state: 'unknown', listens: true } : { state: 'offline', listens: false },
    );
    expect(lastSeen).toBeGreaterThanOrEqual(before);
  });

  it('counts what a device said before the start only where the broker was there already', async () => {
    const id = newDevice();
    const long = Date.now() - 3_600_000;
    await say(id, { online: true, session: 'b1' });
    await signalbox.database.write([
      signalbox.database.sql
        .updateTable('devices')
        .set({ status_at: long, last_seen: long })
        .where('id', '=', id)
        .compile(),
    ]);
    expect(await stateOf(id)).toBe(hasExternalBroker ? 'online' : 'offline');
  });

  it('of a device that polls over HTTP is online, and nothing is published to it', async () => {
    const id = newDevice();
    await devices.notePoll(id);
    expect(await devices.presenceOf(id)).toMatchObject({ state: 'online', listens: false });
    const row = await rowOf(id);
    expect(row).toMatchObject({ link: 'native', online: null });
    expect(row!.last_seen).toBe(row!.polled_at);
    await devices.notePoll(id);
    expect(await rowOf(id)).toEqual(row);
  });
});

describe('activity', () => {
  it('reaches the row within seconds, for devices that there are', async () => {
    const id = newDevice();
    const before = Date.now();
    await other.publish(`devices/${id}/up/telemetry`, '{"t": 1}');
    await other.publish(`poc/${id}-f/sensor`, '{"t": 1}');
    await other.publish(`poc/${id}-none/sensor`, 'refused, so that there is no such device');
    for (const one of [id, `${id}-f`]) {
      const seen = await eventually('it was written', async () => (await rowOf(one))?.last_seen);
      expect(seen).toBeGreaterThanOrEqual(before);
      expect(seen).toBeLessThanOrEqual(Date.now());
    }
    expect(await rowOf(`${id}-none`)).toBeUndefined();
  });

  it('is no will, and no status that is cleared', async () => {
    const id = newDevice();
    await say(id, { online: false, session: 'b1' });
    await say(id, '');
    const beat = newDevice();
    await say(beat, { online: true });
    await eventually('the one was written', async () => (await rowOf(beat))?.last_seen);
    expect((await rowOf(id))!.last_seen).toBeNull();
  });

  it('never goes back', async () => {
    const [ahead, beat] = [newDevice(), newDevice()];
    const future = Date.now() + 60_000;
    await say(ahead, { online: false });
    await signalbox.database.write([
      signalbox.database.sql.updateTable('devices').set({ last_seen: future }).where('id', '=', ahead).compile(),
    ]);
    await other.publish(`devices/${ahead}/up/telemetry`, '{"t": 1}');
    await other.publish(`devices/${beat}/up/telemetry`, '{"t": 1}');
    await eventually('the other was written', async () => (await rowOf(beat))?.last_seen);
    expect((await rowOf(ahead))!.last_seen).toBe(future);
  });
});
