import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { closed, connectDevice, connectMqtt, type Device } from '../support/mqtt.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { connectPacket, RawClient } from '../mqtt/support/raw-client.js';
import { goSilent, type HalfOpen } from './support/half-open.js';
import { changesOf, presenceOf, toldOf } from './support/presence.js';

let signalbox: TestApp;
let other: Device;
let made = 0;
/** Begins before all tests and is looked at in the last: its keepalive takes longer than all of them. */
let halfOpen: HalfOpen;
beforeAll(async () => {
  signalbox = await createTestApp();
  other = await connectDevice(signalbox.mqttUrl, { clientId: 'somebody-else' });
  halfOpen = await goSilent(signalbox.mqttPort, await newDevice());
});
afterAll(async () => {
  await halfOpen.end();
  await other.end();
  await signalbox.close();
});

/** A device that is known, and was never seen. */
async function newDevice(): Promise<string> {
  const id = `device-${++made}`;
  const row = { id, link: 'native' as const, created_at: Date.now() };
  await signalbox.database.write([signalbox.database.sql.insertInto('devices').values(row).compile()]);
  return id;
}

/** Resolves when all that happened before is told. */
async function beat(): Promise<void> {
  const id = await newDevice();
  await (await connect(id)).endAsync();
  await told(id, 2);
}

const connect = (clientId: string, options: object = {}) => connectMqtt(signalbox.mqttUrl, { clientId, ...options });
const told = (id: string, count: number) => toldOf(signalbox, id, count);

describe('The embedded broker tells', () => {
  it('that a device has connected under its id, and disconnected', async () => {
    const id = await newDevice();
    const before = Date.now();
    const client = await connect(id);
    const online = await presenceOf(signalbox, id);
    expect(online).toEqual({
      state: 'online',
      since: expect.any(String),
      reason: 'connected',
      source: 'broker',
      lastSeen: expect.any(String),
      session: null,
    });
    expect(Date.parse(online.since!)).toBeGreaterThanOrEqual(before);
    expect(Date.parse(online.lastSeen!)).toBeGreaterThanOrEqual(before);
    await client.endAsync();
    const offline = await eventually('it is offline', async () => {
      const presence = await presenceOf(signalbox, id);
      return presence.state === 'offline' && presence;
    });
    expect(offline).toMatchObject({ reason: 'disconnected', source: 'broker' });
    expect(Date.parse(offline.since!)).toBeGreaterThanOrEqual(Date.parse(online.since!));
    expect(await told(id, 2)).toEqual(['online connected', 'offline disconnected']);
    const [first, second] = await changesOf(signalbox, id);
    expect(first).toEqual({ ...online, lastSeen: undefined });
    expect(second).toEqual({ ...offline, lastSeen: undefined });
  });

  it('that a connection broke, before its will says so', async () => {
    const id = await newDevice();
    const will = {
      topic: `devices/${id}/up/status`,
      payload: Buffer.from('{"online": false, "session": "b1"}'),
      qos: 1 as const,
      retain: true,
    };
    const client = await connect(id, { will });
    await client.publishAsync(`devices/${id}/up/status`, '{"online": true, "session": "b1"}', { qos: 1, retain: true });
    expect(await presenceOf(signalbox, id)).toMatchObject({ state: 'online', session: 'b1' });
    client.stream.destroy();
    await closed(client);
    await eventually('the will is kept', async () => {
      const row = await signalbox.database.point
        .selectFrom('devices')
        .select('online')
        .where('id', '=', id)
        .executeTakeFirst();
      return row?.online === 0;
    });
    expect(await presenceOf(signalbox, id)).toMatchObject({
      state: 'offline',
      reason: 'connection_lost',
      source: 'broker',
      session: 'b1',
    });
    expect(await told(id, 2)).toEqual(['online connected', 'offline connection_lost']);
  });

  it('that a device which said that it is online has gone, although it left no will', async () => {
    const id = await newDevice();
    const client = await connect(id);
    await client.publishAsync(`devices/${id}/up/status`, '{"online": true}', { qos: 1, retain: true });
    client.stream.destroy();
    await closed(client);
    expect(await told(id, 2)).toEqual(['online connected', 'offline connection_lost']);
    expect((await presenceOf(signalbox, id)).state).toBe('offline');
    await other.publish(`devices/${id}/up/status`, '{"online": true, "session": "b2"}');
    expect(await presenceOf(signalbox, id)).toMatchObject({ state: 'online', reason: 'said_online', source: 'status' });
  });

  it('that it threw a client out', async () => {
    const id = await newDevice();
    const client = await RawClient.connect(signalbox.mqttPort, id);
    client.send(connectPacket(id));
    await eventually('it is closed', () => client.ended);
    expect(await told(id, 2)).toEqual(['online connected', 'offline kicked']);
  });

  it('that a device came and went before it was known', async () => {
    const id = `device-${++made}`;
    const client = await connect(id);
    await client.publishAsync(`devices/${id}/up/telemetry`, '{"t": 1}', { qos: 1 });
    await client.endAsync();
    expect(await toldOf(signalbox, id, 2)).toEqual(['online connected', 'offline disconnected']);
  });

  it('that a device which becomes known is connected, and since when', async () => {
    const id = `device-${++made}`;
    const client = await connect(id);
    await client.publishAsync(`devices/${id}/up/telemetry`, '{"t": 1}', { qos: 1 });
    const connectedBy = Date.now();
    expect(await toldOf(signalbox, id, 1)).toEqual(['online connected']);
    const { since } = await presenceOf(signalbox, id);
    expect(Date.parse(since!)).toBeLessThanOrEqual(connectedBy);
    await client.endAsync();
  });

  it('that a device is not connected which was heard by another connection', async () => {
    const id = `device-${++made}`;
    await other.publish(`devices/${id}/up/telemetry`, '{"t": 1}');
    const { since, ...rest } = await presenceOf(signalbox, id);
    expect(rest).toEqual({
      state: 'offline',
      reason: 'not_connected',
      source: 'broker',
      lastSeen: since,
      session: null,
    });
    expect(await told(id, 1)).toEqual(['offline not_connected']);
    await other.publish(`devices/${id}/up/telemetry`, '{"t": 2}');
    expect(await presenceOf(signalbox, id)).toMatchObject({ state: 'offline', since });
  });

  it('nothing of clients that are no devices', async () => {
    const client = await connect('no-device');
    await client.endAsync();
    await beat();
    const rows = await signalbox.database.point.selectFrom('events').select('device_id').execute();
    expect(rows.map(({ device_id }) => device_id)).not.toContain('no-device');
    expect(rows).not.toEqual([]);
  });

  it('that another client listens for a device, until it does so no more', async () => {
    const id = await newDevice();
    const gateway = await connect(`gateway-${id}`);
    await gateway.subscribeAsync(`devices/${id}/down/#`, { qos: 1 });
    expect(await presenceOf(signalbox, id)).toMatchObject({ state: 'online', reason: 'listening', source: 'broker' });
    await gateway.unsubscribeAsync(`devices/${id}/down/#`);
    await told(id, 2);
    await gateway.subscribeAsync(`devices/${id}/down/#`, { qos: 1 });
    gateway.stream.destroy();
    await closed(gateway);
    expect(await told(id, 4)).toEqual([
      'online listening',
      'offline unsubscribed',
      'online listening',
      'offline connection_lost',
    ]);
  });
});

describe('A quick reconnect', () => {
  it('takes over without an end of presence, however often, and also where the old will comes', async () => {
    const id = await newDevice();
    const topic = `devices/${id}/up/status`;
    const will = (session: string) => ({
      will: { topic, payload: Buffer.from(JSON.stringify({ online: false, session })), qos: 1 as const, retain: true },
    });
    const first = await connect(id, will('b1'));
    const { since } = await presenceOf(signalbox, id);
    await first.publishAsync(topic, '{"online": true, "session": "b1"}', { qos: 1, retain: true });
    const firstEnds = closed(first);
    const second = await connect(id, will('b2'));
    await firstEnds;
    const secondEnds = closed(second);
    const third = await connect(id, will('b3'));
    await secondEnds;
    await third.publishAsync(topic, '{"online": true, "session": "b3"}', { qos: 1, retain: true });
    expect(await presenceOf(signalbox, id)).toMatchObject({
      state: 'online',
      since,
      reason: 'connected',
      session: 'b3',
    });
    await beat();
    expect(await told(id, 1)).toEqual(['online connected']);
    await third.endAsync();
    expect(await told(id, 2)).toEqual(['online connected', 'offline disconnected']);
  });

  it('takes over while the old connection is stuck, and the end of that one changes nothing', async () => {
    const id = await newDevice();
    const network = await startTcpProxy(signalbox.mqttPort);
    const stuck = await connectMqtt(`mqtt://127.0.0.1:${network.port}`, { clientId: id });
    network.stall();
    const fresh = await connect(id);
    const stuckEnds = closed(stuck);
    network.restore();
    await stuckEnds;
    await network.stop();
    await beat();
    expect((await presenceOf(signalbox, id)).state).toBe('online');
    expect(await told(id, 1)).toEqual(['online connected']);
    await fresh.endAsync();
  });

  it('under load ends as it should: a hundred connections for one id, each taking over', async () => {
    const id = await newDevice();
    const clients = await Promise.all(Array.from({ length: 100 }, () => RawClient.open(signalbox.mqttPort)));
    for (const client of clients) client.send(connectPacket(id));
    await eventually('all but one are closed', () => clients.filter(({ ended }) => !ended).length === 1);
    const last = clients.find(({ ended }) => !ended);
    await last!.next('connack');
    expect((await presenceOf(signalbox, id)).state).toBe('online');
    expect(await told(id, 1)).toEqual(['online connected']);
    last!.end();
    expect(await told(id, 2)).toEqual(['online connected', 'offline connection_lost']);
  });

  it('that is a reconnect is told as two changes', async () => {
    const id = await newDevice();
    for (let n = 0; n < 3; n++) await (await connect(id)).endAsync();
    expect(await told(id, 6)).toEqual(
      Array.from({ length: 3 }, () => ['online connected', 'offline disconnected']).flat(),
    );
  });
});

describe('A will', () => {
  it('without a session changes nothing while its device is connected', async () => {
    const id = await newDevice();
    const client = await connect(id);
    await client.publishAsync(`devices/${id}/up/status`, '{"online": true}', { qos: 1, retain: true });
    await other.publish(`devices/${id}/up/status`, '{"online": false}', { retain: true });
    expect(await presenceOf(signalbox, id)).toMatchObject({ state: 'online', reason: 'connected' });
    await client.endAsync();
    expect(await told(id, 2)).toEqual(['online connected', 'offline disconnected']);
  });
});

describe('A foreign device', () => {
  it('is unknown when it is heard, and offline where it was connected under its id and has gone', async () => {
    const id = `device-${++made}`;
    await other.publish(`poc/${id}/sensor`, '{"t": 1}');
    expect(await toldOf(signalbox, id, 1)).toEqual(['unknown activity']);
    expect(await presenceOf(signalbox, id)).toMatchObject({ state: 'unknown', reason: 'activity', source: 'activity' });
    const client = await connect(id);
    await client.endAsync();
    expect(await told(id, 3)).toEqual(['unknown activity', 'online connected', 'offline disconnected']);
    expect((await presenceOf(signalbox, id)).state).toBe('offline');
  });
});

describe('A half-open connection', () => {
  it('is found by its keepalive, whose least is 15 s', async () => {
    const { id, stalledAt } = halfOpen;
    const offline = await eventually(
      'it is gone',
      async () => {
        const presence = await presenceOf(signalbox, id);
        return presence.state === 'offline' && presence;
      },
      35_000,
    );
    const after = Date.parse(offline.since!) - stalledAt;
    expect(after).toBeGreaterThan(10_000);
    expect(after).toBeLessThan(35_000);
    expect(offline).toMatchObject({ reason: 'keepalive_timeout', source: 'broker' });
    expect(await told(id, 2)).toEqual(['online connected', 'offline keepalive_timeout']);
  }, 60_000);
});
