import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DeviceService } from '../../src/device/device.service.js';
import { RegistryService, type Revocation } from '../../src/device/registry.service.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { hasExternalBroker } from '../support/backends.js';
import { eventually } from '../support/eventually.js';
import { type Requests, requestsWith } from '../support/access.js';
import { connectDevice, connectMqtt, type Device, listenTo } from '../support/mqtt.js';
import type { CreatedDevice, ShownDevice } from './registry-box.js';

let signalbox: TestApp;
let api: Requests;
let device: Device;
let revoked: Revocation[];
beforeAll(async () => {
  signalbox = await createTestApp({ DEVICE_REGISTRATION: 'closed' });
  api = requestsWith(signalbox.httpUrl, {});
  device = await connectDevice(signalbox.mqttUrl);
  revoked = [];
  signalbox.app.get(RegistryService, { strict: false }).onRevoked((revocation) => revoked.push(revocation));
});
afterAll(async () => {
  await device.end();
  await signalbox.close();
});

/** In how many rows of which tables the device is. */
async function tracesOf(id: string) {
  const { point } = signalbox.database;
  const count = async (table: 'credentials' | 'device_tags' | 'latest' | 'readings') =>
    (await point.selectFrom(table).select('device_id').where('device_id', '=', id).execute()).length;
  return {
    devices: (await point.selectFrom('devices').select('id').where('id', '=', id).execute()).length,
    credentials: await count('credentials'),
    device_tags: await count('device_tags'),
    latest: await count('latest'),
    readings: await count('readings'),
  };
}

describe('The removal of a registered device', () => {
  it('leaves nothing of it but what it sent, and ends its logins', async () => {
    await api.post('/v1/devices', { id: 'whole', tags: { a: '1', b: '2' } });
    await device.publish('devices/whole/up/telemetry', '{"t": 1, "h": 2}');
    expect(await tracesOf('whole')).toEqual({ devices: 1, credentials: 1, device_tags: 2, latest: 2, readings: 1 });
    expect((await api.delete('/v1/devices/whole')).status).toBe(204);
    expect(await tracesOf('whole')).toEqual({ devices: 0, credentials: 0, device_tags: 0, latest: 0, readings: 1 });
    expect(revoked.filter(({ deviceId }) => deviceId === 'whole')).toContainEqual({
      deviceId: 'whole',
      credentialId: null,
    });
    const rows = await signalbox.database.point
      .selectFrom('audit')
      .select('action')
      .where('target', '=', 'whole')
      .orderBy('seq')
      .execute();
    expect(rows.map(({ action }) => action)).toEqual(['device.create', 'device.disable', 'device.delete']);
    expect((await api.delete('/v1/devices/whole')).status).toBe(404);
  });

  it('clears what it has retained', async () => {
    await api.post('/v1/devices', { id: 'keeper' });
    await api.post('/v1/devices', { id: 'keeper2' });
    await device.publish('devices/keeper/up/status', '{"online": true}', { retain: true });
    await device.publish('devices/keeper/up/events/door', '{"open": true}', { retain: true });
    await device.publish('devices/keeper/own', 'x', { retain: true });
    await device.publish('poc/keeper/sensor', '{"t": 1}', { retain: true });
    await device.publish('devices/keeper2/up/events/door', '{"open": true}', { retain: true });
    expect((await api.delete('/v1/devices/keeper')).status).toBe(204);
    const late = await connectMqtt(signalbox.mqttUrl);
    const heard = await listenTo(late, 'devices/#');
    await heard.next('what is retained of another', ({ topic }) => topic === 'devices/keeper2/up/events/door');
    const topics = heard.received.map(({ topic }) => topic).filter((topic) => topic.startsWith('devices/keeper/'));
    const foreign = await listenTo(late, 'poc/#');
    await device.publish('poc/keeper2/sensor', '{"t": 1}');
    await foreign.next('what came later', ({ topic }) => topic === 'poc/keeper2/sensor');
    expect(foreign.received.some(({ topic }) => topic === 'poc/keeper/sensor')).toBe(hasExternalBroker);
    // Of a broker elsewhere only the status is known.
    expect(topics.toSorted()).toEqual(hasExternalBroker ? ['devices/keeper/own', 'devices/keeper/up/events/door'] : []);
    await late.endAsync();
  });

  it('cancels its commands: what was not sent ends, and what was is not sent again', async () => {
    await api.post('/v1/devices', { id: 'ordered' });
    const listener = await connectMqtt(signalbox.mqttUrl, { clientId: 'ordered' });
    const commands = await listenTo(listener, 'devices/ordered/down/commands/#');
    await device.publish('devices/ordered/up/status', '{"online": true}');
    const sent = (await api.post<{ id: string }>('/v1/devices/ordered/commands', { type: 'A', order: 'fifo' })).body.id;
    await commands.next('the first command', ({ topic }) => topic.endsWith(sent));
    const unsent = (await api.post<{ id: string }>('/v1/devices/ordered/commands', { type: 'B', order: 'fifo' })).body
      .id;
    expect((await api.delete('/v1/devices/ordered')).status).toBe(204);
    const read = async (id: string) => (await api.get<Record<string, unknown>>(`/v1/commands/${id}`)).body;
    expect(await read(unsent)).toMatchObject({ status: 'CANCELLED', outcome: 'not_executed' });
    expect(await read(sent)).toMatchObject({ final: false, cancelRequestedAt: expect.any(String) });
    await commands.next('it was told', ({ topic }) => topic.endsWith(`${sent}/cancel`));
    await listener.endAsync();
  });

  it('that fails midway leaves it shut out, and is finished when it is repeated', async () => {
    await api.post('/v1/devices', { id: 'stuck', tags: { a: '1' } });
    await device.publish('devices/stuck/up/telemetry', '{"t": 1}');
    let fails = true;
    const end = signalbox.app.get(DeviceService).onRemoval(async (id) => {
      if (id === 'stuck' && fails) throw new Error('not now');
    });
    expect((await api.delete('/v1/devices/stuck')).status).toBe(500);
    expect((await api.get<ShownDevice>('/v1/devices/stuck')).body).toMatchObject({ enabled: false, tags: { a: '1' } });
    await device.publish('devices/stuck/up/telemetry', '{"t": 2}');
    fails = false;
    expect((await api.delete('/v1/devices/stuck')).status).toBe(204);
    expect(await tracesOf('stuck')).toEqual({ devices: 0, credentials: 0, device_tags: 0, latest: 0, readings: 1 });
    end();
  });

  it('lets another be created under its id, of which nothing is known but the readings', async () => {
    const first = (await api.post<CreatedDevice>('/v1/devices', { id: 'again', name: 'old', tags: { a: '1' } })).body;
    const etag = (await api.get('/v1/devices/again')).headers.get('etag')!;
    await device.publish('devices/again/up/telemetry', '{"old": 1}');
    await device.publish('devices/again/up/status', '{"online": true}', { retain: true });
    await api.delete('/v1/devices/again');
    const second = (await api.post<CreatedDevice>('/v1/devices', { id: 'again' })).body;
    expect(second).toMatchObject({ name: null, tags: {}, lastSeen: null });
    expect(second.presence.state).toBe('never');
    expect(second.credential.secret).not.toBe(first.credential.secret);
    expect((await api.patch('/v1/devices/again', { name: 'x' }, { 'if-match': etag })).status).toBe(412);
    expect((await api.get<unknown[]>('/sensors?deviceId=again')).body).toHaveLength(1);
    expect((await tracesOf('again')).latest).toBe(0);
    await device.publish('devices/again/up/telemetry', '{"new": 2}');
    const latest = signalbox.database.point.selectFrom('latest').select('metric').where('device_id', '=', 'again');
    await eventually(
      'the new value',
      async () => (await latest.execute()).map(({ metric }) => metric).join() === 'new',
    );
  });

  it('is one of ten that are asked for at the same time', async () => {
    await api.post('/v1/devices', { id: 'crowd' });
    const answers = await Promise.all(Array.from({ length: 10 }, () => api.delete('/v1/devices/crowd')));
    for (const { status } of answers) expect([204, 404]).toContain(status);
    expect(answers.some(({ status }) => status === 204)).toBe(true);
    expect(await tracesOf('crowd')).toMatchObject({ devices: 0, credentials: 0 });
  });
});
