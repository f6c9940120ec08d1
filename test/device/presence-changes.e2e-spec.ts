import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DeviceService } from '../../src/device/device.service.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { hasExternalBroker, settled } from '../support/backends.js';
import { eventually } from '../support/eventually.js';
import { get, type ProblemBody, remove } from '../support/http.js';
import { closed, connectDevice, type Device } from '../support/mqtt.js';
import { allTold, changesOf, presenceOf, toldOf } from './support/presence.js';

let signalbox: TestApp;
let other: Device;
let made = 0;
beforeAll(async () => {
  signalbox = await createTestApp();
  // Its own id is no device's, so that it is nobody's connection.
  other = await connectDevice(signalbox.mqttUrl, { clientId: 'somebody-else' });
});
afterAll(async () => {
  await other.end();
  await signalbox.close();
});

const newDevice = () => `device-${++made}`;
const say = (id: string, status: object | '') =>
  other.publish(`devices/${id}/up/status`, status === '' ? '' : JSON.stringify(status), { retain: true });
const told = (id: string, count: number) => toldOf(signalbox, id, count);
const change = (id: string, row: object) => {
  const { sql } = signalbox.database;
  return signalbox.database.write([sql.updateTable('devices').set(row).where('id', '=', id).compile()]);
};

describe('GET /v1/devices/{id}/presence', () => {
  it('is what the device said of itself, with its session and when', async () => {
    const id = newDevice();
    const before = Date.now();
    await say(id, { online: true, session: 'b1' });
    const presence = await presenceOf(signalbox, id);
    expect(presence).toEqual({
      state: 'online',
      since: expect.any(String),
      reason: 'said_online',
      source: 'status',
      lastSeen: presence.since,
      session: 'b1',
    });
    expect(Date.parse(presence.since!)).toBeGreaterThanOrEqual(before);
    expect(Date.parse(presence.since!)).toBeLessThanOrEqual(Date.now());
    expect(new Date(presence.since!).toISOString()).toBe(presence.since);
  });

  it.each(['nobody', 'no%20id', 'x'.repeat(129)])('is 404 for %s', async (id) => {
    const { status, body } = await get<ProblemBody>(`${signalbox.httpUrl}/v1/devices/${id}/presence`);
    expect({ status, code: body.code }).toEqual({ status: 404, code: 'DEVICE_UNKNOWN' });
  });

  it('is never, without a time, for a device that only was sent a command', async () => {
    const id = newDevice();
    const devices = signalbox.app.get(DeviceService);
    await signalbox.database.write([devices.registration(id, 'native', Date.now())]);
    expect(await presenceOf(signalbox, id)).toEqual({
      state: 'never',
      since: null,
      reason: 'never_seen',
      source: 'none',
      lastSeen: null,
      session: null,
    });
  });

  it('of several is told at once, those included that are unknown', async () => {
    const [a, b] = [newDevice(), newDevice()];
    await say(a, { online: true, session: 'b1' });
    const devices = signalbox.app.get(DeviceService);
    const presences = await devices.presencesOf([a, b]);
    expect([...presences.keys()]).toEqual([a, b]);
    expect(presences.get(a)).toEqual(await devices.presenceOf(a));
    expect(presences.get(b)).toMatchObject({ state: 'never' });
    expect(await devices.presencesOf([])).toEqual(new Map());
  });
});

describe('A change of presence is one event in the log', () => {
  it('however often a device says the same', async () => {
    const id = newDevice();
    for (let n = 0; n < 3; n++) await say(id, { online: true, session: 'b1' });
    await say(id, { online: true, session: 'b2' });
    for (let n = 0; n < 3; n++) await other.publish(`devices/${id}/up/telemetry`, '{"t": 1}');
    for (let n = 0; n < 3; n++) await say(id, { online: false, session: 'b2' });
    await say(id, { online: true, session: 'b3' });
    expect(await told(id, 3)).toEqual(['online said_online', 'offline said_offline', 'online said_online']);
    const changes = await changesOf(signalbox, id);
    expect(changes.map(({ session, source }) => ({ session, source }))).toEqual([
      { session: 'b1', source: 'status' },
      { session: 'b2', source: 'status' },
      { session: 'b3', source: 'status' },
    ]);
    expect((await presenceOf(signalbox, id)).since).toBe(changes[2]!.since);
  });

  it('that is no event of the device, and does not bring back one that was removed', async () => {
    const id = newDevice();
    const before = await get<{ readonly readings: object }>(`${signalbox.httpUrl}/health`);
    await say(id, { online: true });
    expect(await told(id, 1)).toEqual(['online said_online']);
    const own = signalbox.database.point.selectFrom('events').select('kind').where('device_id', '=', id);
    expect(await own.execute()).toEqual([{ kind: 'presence' }]);
    const after = await get<{ readonly readings: object }>(`${signalbox.httpUrl}/health`);
    expect(after.body.readings).toEqual(before.body.readings);
    await say(id, { online: false });
    expect((await remove(`${signalbox.httpUrl}/v1/devices/${id}`)).status).toBe(204);
    await allTold(signalbox);
    const row = signalbox.database.point.selectFrom('devices').select('id').where('id', '=', id);
    expect(await row.execute()).toEqual([]);
  });

  it('of those that the database took while the log did not, once it does', async () => {
    const id = newDevice();
    await say(id, { online: true });
    await told(id, 1);
    // As a process leaves it that dies between the two, and as one that dies once more before it has taken note.
    const since = Date.now();
    const { sql } = signalbox.database;
    const untold = {
      device_id: id,
      link: 'native' as const,
      state: 'offline',
      reason: 'said_offline',
      source: 'status',
    };
    const insert = (seq: number) =>
      sql
        .insertInto('presence_changes')
        .values({ ...untold, seq, session: null, since })
        .compile();
    for (let n = 0; n < 2; n++) {
      await signalbox.database.write([insert(1_000_000)]);
      await allTold(signalbox);
    }
    expect(await told(id, 2)).toEqual(['online said_online', 'offline said_offline']);
  });
});

describe('A will', () => {
  it('of a session that is over changes nothing, after the device has said that it is back', async () => {
    const id = newDevice();
    const topic = `devices/${id}/up/status`;
    const payload = Buffer.from('{"online": false, "session": "b7"}');
    const first = await connectDevice(signalbox.mqttUrl, { will: { topic, payload, qos: 1, retain: true } });
    await first.publish(topic, '{"online": true, "session": "b7"}', { retain: true });
    const second = await connectDevice(signalbox.mqttUrl);
    await second.publish(topic, '{"online": true, "session": "b8"}', { retain: true });
    const before = await presenceOf(signalbox, id);
    first.client.stream.destroy();
    await closed(first.client);
    // What the broker has published since is taken in.
    await say(newDevice(), { online: true });
    await settled(signalbox.mqttUrl);
    expect(await presenceOf(signalbox, id)).toEqual(before);
    expect(before).toMatchObject({ state: 'online', session: 'b8' });
    expect(await told(id, 1)).toEqual(['online said_online']);
    await second.end();
  });

  it('without a session counts as it comes', async () => {
    const id = newDevice();
    await say(id, { online: true, session: 'b8' });
    await say(id, { online: false });
    expect(await presenceOf(signalbox, id)).toMatchObject({
      state: 'offline',
      reason: 'said_offline',
      source: 'status',
      session: 'b8',
    });
    expect(await told(id, 2)).toEqual(['online said_online', 'offline said_offline']);
  });
});

describe('A status that is cleared', () => {
  it('leaves what else is known, once', async () => {
    const id = newDevice();
    await say(id, { online: true, session: 'b1' });
    await say(id, '');
    await say(id, '');
    const state = hasExternalBroker ? 'unknown' : 'offline';
    expect(await presenceOf(signalbox, id)).toMatchObject({
      state,
      reason: 'status_cleared',
      source: 'status',
      session: null,
    });
    expect(await told(id, 2)).toEqual(['online said_online', `${state} status_cleared`]);
  });
});

describe('A device that polls over HTTP', () => {
  it('is online from its first poll on, and comes anew where it has paused for long', async () => {
    const id = newDevice();
    const devices = signalbox.app.get(DeviceService);
    await devices.notePoll(id);
    expect(await presenceOf(signalbox, id)).toMatchObject({ state: 'online', reason: 'polled', source: 'activity' });
    expect(await told(id, 1)).toEqual(['online polled']);
    const long = Date.now() - 100_000;
    await change(id, { polled_at: long, last_seen: long, presence_since: long });
    // Time alone makes no event.
    const lapsed = await presenceOf(signalbox, id);
    expect(lapsed).toMatchObject({
      state: hasExternalBroker ? 'unknown' : 'offline',
      reason: 'silent',
      source: 'activity',
      since: new Date(long + 90_000).toISOString(),
    });
    const back = Date.now();
    await say(id, { online: true });
    expect(await presenceOf(signalbox, id)).toMatchObject({ state: 'online', reason: 'said_online' });
    expect(Date.parse((await presenceOf(signalbox, id)).since!)).toBeGreaterThanOrEqual(back);
    // The second one is the test's own change of the time.
    expect(await told(id, 3)).toEqual(['online polled', 'online polled', 'online said_online']);
  });
});

describe('A device that is said to be online', () => {
  it('is stale after half an hour of silence, gets its commands all the same, and is online when it is heard', async () => {
    const id = newDevice();
    await say(id, { online: true, session: 'b1' });
    await eventually('it was written', async () => (await rowOf(id))?.last_seen);
    const devices = signalbox.app.get(DeviceService);
    const { since } = await presenceOf(signalbox, id);
    // At the embedded broker what was said counts from its start on.
    if (!hasExternalBroker) return;
    const long = Date.now() - 1_900_000;
    await change(id, { status_at: long, last_seen: long });
    expect(await presenceOf(signalbox, id)).toMatchObject({
      state: 'stale',
      reason: 'silent',
      source: 'status',
      since: new Date(long + 1_800_000).toISOString(),
      lastSeen: new Date(long).toISOString(),
    });
    expect(await devices.reachOf(id)).toMatchObject({ listens: true });
    await other.publish(`devices/${id}/up/telemetry`, '{"t": 1}');
    expect(await presenceOf(signalbox, id)).toMatchObject({ state: 'online', since, reason: 'said_online' });
    expect(await told(id, 1)).toEqual(['online said_online']);
  });
});

const rowOf = (id: string) =>
  signalbox.database.point.selectFrom('devices').selectAll().where('id', '=', id).executeTakeFirst();
