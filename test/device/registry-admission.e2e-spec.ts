import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestApp, type TestApp } from '../support/app.js';
import { basic, type Requests, requestsWith } from '../support/access.js';
import { settled } from '../support/backends.js';
import { eventually } from '../support/eventually.js';
import type { ProblemBody } from '../support/http.js';
import { connectDevice, connectMqtt, type Device, listenTo } from '../support/mqtt.js';
import type { DevicePage, ShownDevice } from './registry-box.js';

let signalbox: TestApp;
let api: Requests;
let device: Device;

async function start(registration: string): Promise<void> {
  signalbox = await createTestApp({ DEVICE_REGISTRATION: registration });
  api = requestsWith(signalbox.httpUrl, {});
  device = await connectDevice(signalbox.mqttUrl);
}
async function stop(): Promise<void> {
  await device.end();
  await signalbox.close();
}

interface Rejects {
  readonly items: readonly { readonly code: string; readonly topic: string; readonly payload: string }[];
}
const codesOf = async (id: string) =>
  (await api.get<Rejects>(`/v1/rejects?deviceId=${id}`)).body.items.map(({ code }) => code);
const knows = async (id: string) => (await api.get(`/v1/devices/${id}`)).status === 200;
const readingsOf = async (id: string) => (await api.get<unknown[]>(`/sensors?deviceId=${id}`)).body.length;
const say = (id: string, rest: string, payload: string) => device.publish(`devices/${id}/up/${rest}`, payload);
const record = async (...readings: object[]) => {
  const client = device.client;
  const replies = await listenTo(client, 'services/sensor/record/reply');
  await client.publishAsync(
    'services/sensor/record',
    JSON.stringify({ pattern: 'services/sensor/record', data: readings, id: 'r' }),
  );
  const { payload } = await replies.next('the reply');
  return (JSON.parse(payload) as { response: { stored: number; rejected: { index: number; code: string }[] } })
    .response;
};

/** All that a device can say, each with what becomes of it where it is kept out. */
async function sayAll(id: string): Promise<void> {
  await say(id, 'telemetry', '[{"values": {"t": 1}, "id": "m1"}, {"values": {"t": 2}}]');
  await say(id, 'telemetry/t', '1');
  await say(id, 'events/door', '{"open": true}');
  await say(id, 'status', '{"online": true}');
  await say(id, 'commands/get', '{}');
  await device.publish(`poc/${id}/sensor`, '{"t": 3}');
}
const SAID = 7;

describe('With closed registration an unknown device', () => {
  beforeAll(() => start('closed'));
  afterAll(stop);

  it('is not created by anything that it says; all of it is acknowledged, and kept as rejects', async () => {
    const errors = await listenTo(device.client, 'devices/ghost/down/errors');
    await sayAll('ghost');
    expect(await codesOf('ghost')).toEqual(Array<string>(SAID).fill('DEVICE_UNKNOWN'));
    expect(await knows('ghost')).toBe(false);
    expect(await readingsOf('ghost')).toBe(0);
    expect(JSON.parse((await errors.next('it was told')).payload)).toMatchObject({ code: 'DEVICE_UNKNOWN', ref: 'm1' });
    const { items } = (await api.get<Rejects>('/v1/rejects?deviceId=ghost')).body;
    expect(Buffer.from(items[0]!.payload, 'base64').toString()).toBe('{"t": 3}');
  });

  it('is not created over HTTP, by another service, or by a command', async () => {
    const login = basic('phantom', 'x');
    const telemetry = await api.post<{ rejected: unknown[] }>('/v1/device/telemetry', [{ t: 1 }, { t: 2 }], login);
    expect(telemetry.status).toBe(200);
    expect(telemetry.body).toMatchObject({
      stored: 0,
      rejected: [
        { index: 0, code: 'DEVICE_UNKNOWN' },
        { index: 1, code: 'DEVICE_UNKNOWN' },
      ],
    });
    for (const { status, body } of [
      await api.get<ProblemBody>('/v1/device/commands/next', login),
      await api.post<ProblemBody>('/v1/device/commands/x', { status: 'accepted' }, login),
      await api.post<ProblemBody>('/v1/devices/phantom/commands', { type: 'ON' }),
      await api.post<ProblemBody>('/control', { command: 'ON', deviceId: 'phantom' }),
    ]) {
      expect({ status, code: body.code }).toEqual({ status: 404, code: 'DEVICE_UNKNOWN' });
    }
    expect(await knows('phantom')).toBe(false);
  });

  it('does not hinder the others of a request or a turn', async () => {
    await api.post('/v1/devices', { id: 'member' });
    await Promise.all([
      say('stranger', 'telemetry', '{"t": 1}'),
      say('member', 'telemetry', '{"t": 1}'),
      say('stranger', 'events/x', '{}'),
      say('member', 'events/x', '{}'),
    ]);
    expect(await readingsOf('member')).toBe(1);
    expect(await codesOf('member')).toEqual([]);
    expect(await codesOf('stranger')).toEqual(['DEVICE_UNKNOWN', 'DEVICE_UNKNOWN']);
  });

  it('is taken from as soon as it is registered, and the counts stay right', async () => {
    await say('late', 'telemetry', '{"t": 1}');
    await api.post('/v1/devices', { id: 'late' });
    await say('late', 'telemetry', '{"t": 2}');
    await say('late', 'status', '{"online": true, "session": "b"}');
    expect(await readingsOf('late')).toBe(1);
    expect((await api.get<ShownDevice>('/v1/devices/late')).body.presence).toMatchObject({ state: 'online' });
    const { readings, events } = (await api.get<Record<string, Record<string, number>>>('/health')).body;
    for (const counts of [readings!, events!]) {
      expect(counts['received']).toBe(counts['stored']! + counts['rejected']! + counts['duplicates']!);
    }
  });

  it('stays gone when it was deleted, whatever of it is still under way', async () => {
    await api.post('/v1/devices', { id: 'noisy' });
    const done = new AbortController();
    const talk = (async () => {
      for (let i = 0; !done.signal.aborted; i++) {
        await device.client.publishAsync('devices/noisy/up/telemetry', `{"values": {"t": ${i}}, "id": "${i}"}`, {
          qos: 1,
        });
        await device.client.publishAsync('devices/noisy/up/status', `{"online": true, "session": "b${i}"}`, {
          qos: 1,
          retain: true,
        });
      }
    })();
    await eventually('it is heard', async () => (await readingsOf('noisy')) > 3);
    expect((await api.delete('/v1/devices/noisy')).status).toBe(204);
    await eventually('it is refused', async () => (await codesOf('noisy')).includes('DEVICE_UNKNOWN'));
    done.abort();
    await talk;
    await settled(signalbox.mqttUrl);
    expect(await knows('noisy')).toBe(false);
    expect(await readingsOf('noisy')).toBeGreaterThan(3);
  });
});

describe('With approval an unknown device', () => {
  beforeAll(() => start('approve'));
  afterAll(stop);

  it.each<[string, (id: string) => Promise<unknown>, string]>([
    ['a reading', (id) => say(id, 'telemetry', '{"t": 1}'), 'native'],
    ['a foreign reading', (id) => device.publish(`poc/${id}/sensor`, '{"t": 1}'), 'foreign'],
    ['an event', (id) => say(id, 'events/x', '{}'), 'native'],
    ['a status', (id) => say(id, 'status', '{"online": true}'), 'native'],
    ['an answer', (id) => say(id, 'commands/get', '{}'), 'native'],
    ['telemetry over HTTP', (id) => api.post('/v1/device/telemetry', { t: 1 }, basic(id, 'x')), 'native'],
  ])('waits for it from its first word on: %s', async (what, act, link) => {
    const id = `new-${what.replaceAll(/\W/g, '-')}`;
    await act(id);
    expect((await api.get<ShownDevice>(`/v1/devices/${id}`)).body).toMatchObject({
      approved: false,
      enabled: true,
      link,
    });
    expect(await codesOf(id)).toEqual(['DEVICE_PENDING']);
    expect(await readingsOf(id)).toBe(0);
  });

  it('waits for it from its first poll on, and gets no commands until then', async () => {
    const poll = await api.get<ProblemBody>('/v1/device/commands/next', basic('polling', 'x'));
    expect({ status: poll.status, code: poll.body.code }).toEqual({ status: 409, code: 'DEVICE_PENDING' });
    const command = await api.post<ProblemBody>('/v1/devices/polling/commands', { type: 'ON' });
    expect({ status: command.status, code: command.body.code }).toEqual({ status: 409, code: 'DEVICE_PENDING' });
    expect((await api.post('/v1/devices/polling/approve', {})).status).toBe(200);
    expect((await api.get('/v1/device/commands/next', basic('polling', 'x'))).status).toBe(204);
    expect((await api.post('/v1/devices/polling/commands', { type: 'ON' })).status).toBe(202);
  });

  it('is heard as soon as it is approved, by somebody whose name is kept', async () => {
    await say('candidate', 'telemetry', '{"t": 1}');
    await say('candidate', 'telemetry', '{"t": 2}');
    const { status, body } = await api.post<ShownDevice>('/v1/devices/candidate/approve', undefined);
    expect(status).toBe(200);
    expect(body.approved).toBe(true);
    await say('candidate', 'telemetry', '{"t": 3}');
    expect(await codesOf('candidate')).toEqual(['DEVICE_PENDING', 'DEVICE_PENDING']);
    expect(await readingsOf('candidate')).toBe(1);
    expect((await api.post('/v1/devices/candidate/approve', {})).status).toBe(200);
    const rows = await signalbox.database.point
      .selectFrom('audit')
      .select('action')
      .where('target', '=', 'candidate')
      .execute();
    expect(rows).toEqual([{ action: 'device.approve' }]);
  });

  it('is not created by what nobody could store, nor by what clears a retained status, nor by a command to it', async () => {
    await say('garbled', 'telemetry', 'no json');
    await say('garbled', 'nothing', '{}');
    await device.publish('devices/garbled/up/status', '', { retain: true });
    expect(await knows('garbled')).toBe(false);
    expect((await api.post('/v1/devices/garbled/commands', { type: 'ON' })).status).toBe(404);
  });

  it('needs none where it is registered', async () => {
    await api.post('/v1/devices', { id: 'invited' });
    await say('invited', 'telemetry', '{"t": 1}');
    expect(await readingsOf('invited')).toBe(1);
  });

  it('is refused where 1,000 others wait, until some are approved or deleted', async () => {
    const { database } = signalbox;
    const waiting = await database.point.selectFrom('devices').select('id').where('approved', '=', 0).execute();
    const rows = Array.from({ length: 1_000 - waiting.length - 1 }, (_, i) => ({
      id: `crowd-${i}`,
      link: 'native' as const,
      created_at: Date.now(),
      approved: 0,
    }));
    await database.write([database.sql.insertInto('devices').values(rows).compile()]);
    const payload = '{"values": {"t": 1}}';
    await Promise.all(Array.from({ length: 30 }, (_, i) => say(`last-${i}`, 'telemetry', payload)));
    const { items } = (await api.get<DevicePage>('/v1/devices?q=last-')).body;
    expect(items).toHaveLength(1);
    const other = `last-${items[0]!.id === 'last-0' ? 1 : 0}`;
    expect(await codesOf(other)).toEqual(['DEVICE_UNKNOWN']);
    expect((await api.delete('/v1/devices/crowd-0')).status).toBe(204);
    await say(other, 'telemetry', payload);
    expect(await codesOf(other)).toEqual(['DEVICE_PENDING', 'DEVICE_UNKNOWN']);
  });
});

describe('A disabled device', () => {
  beforeAll(() => start('open'));
  afterAll(stop);

  it('is not heard, whatever it says, until it is enabled', async () => {
    await say('dis', 'telemetry', '{"t": 0}');
    expect((await api.patch('/v1/devices/dis', { enabled: false })).status).toBe(200);
    await sayAll('dis');
    expect(await codesOf('dis')).toEqual(Array<string>(SAID).fill('DEVICE_DISABLED'));
    expect(await readingsOf('dis')).toBe(1);
    await api.patch('/v1/devices/dis', { enabled: true });
    await sayAll('dis');
    expect(await codesOf('dis')).toHaveLength(SAID);
    expect(await readingsOf('dis')).toBe(1 + 4);
  });

  it('gets no commands, and a poll of it ends when it is disabled', async () => {
    await api.post('/v1/devices', { id: 'idle' });
    const poll = api.get<ProblemBody>('/v1/device/commands/next?wait=60', basic('idle', 'x'));
    await eventually(
      'it polls',
      async () => (await api.get<ShownDevice>('/v1/devices/idle')).body.presence.state === 'online',
    );
    await api.patch('/v1/devices/idle', { enabled: false });
    expect((await poll).body.code).toBe('DEVICE_DISABLED');
    const command = await api.post<ProblemBody>('/v1/devices/idle/commands', { type: 'ON' });
    expect({ status: command.status, code: command.body.code }).toEqual({ status: 409, code: 'DEVICE_DISABLED' });
  });

  it('gets what waited for it when it is enabled, and not before', async () => {
    await api.post('/v1/devices', { id: 'held' });
    // An external broker tells of nobody who is away, so the device does.
    await say('held', 'status', '{"online": false}');
    const { id } = (await api.post<{ id: string }>('/v1/devices/held/commands', { type: 'ON' })).body;
    await api.patch('/v1/devices/held', { enabled: false });
    const client = await connectMqtt(signalbox.mqttUrl, { clientId: 'held' });
    const commands = await listenTo(client, 'devices/held/down/commands/#');
    await device.publish('devices/held/up/commands/get', '{}');
    const read = async () => (await api.get<{ attempts: number; final: boolean }>(`/v1/commands/${id}`)).body;
    expect(await read()).toMatchObject({ attempts: 0, final: false });
    await api.patch('/v1/devices/held', { enabled: true });
    await say('held', 'status', '{"online": true}');
    await commands.next('the command', ({ topic }) => topic.endsWith(id));
    expect(commands.received).toHaveLength(1);
    await client.endAsync();
  });

  it('is still believed that it is gone', async () => {
    await say('leaving', 'status', '{"online": true, "session": "b"}');
    await api.patch('/v1/devices/leaving', { enabled: false });
    await say('leaving', 'status', '{"online": false, "session": "b"}');
    expect((await api.get<ShownDevice>('/v1/devices/leaving')).body.presence.state).toBe('offline');
    expect(await codesOf('leaving')).toEqual([]);
  });

  it('does not hinder others, who come by themselves', async () => {
    expect(await record({ deviceId: 'dis2', values: { t: 1 } }, { deviceId: 'new2', values: { t: 1 } })).toMatchObject({
      stored: 2,
    });
    await api.patch('/v1/devices/dis2', { enabled: false });
    const { stored, rejected } = await record(
      { deviceId: 'dis2', values: { t: 2 } },
      { deviceId: 'new3', values: { t: 2 } },
    );
    expect({ stored, rejected: rejected.map(({ index, code }) => [index, code]) }).toEqual({
      stored: 1,
      rejected: [[0, 'DEVICE_DISABLED']],
    });
  });
});
