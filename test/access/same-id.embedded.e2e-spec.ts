import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readApiKey } from '../../src/common/secrets.js';
import { MqttLink } from '../../src/mqtt/link.js';
import { type RequiredApp, startRequired } from '../support/access.js';
import { eventually } from '../support/eventually.js';
import { closed, connectMqtt, listenTo } from '../support/mqtt.js';

let signalbox: RequiredApp;
beforeAll(async () => {
  signalbox = await startRequired();
});
afterAll(async () => {
  await signalbox.close();
});

describe('A service whose client id becomes that of a device', () => {
  const connectAs = (clientId: string) => {
    const { adminKey, mqttUrl } = signalbox;
    return connectMqtt(mqttUrl, { clientId, username: readApiKey(adminKey)!.id, password: adminKey });
  };
  const counted = () => signalbox.app.get(MqttLink).counters['closed.claimed'] ?? 0;

  it('is disconnected and not let in again, and whoever has another id stays', async () => {
    const { admin } = signalbox;
    const [service, other] = [await connectAs('valve'), await connectAs('dashboard')];
    expect((await admin.post('/v1/devices', { id: 'lamp' })).status).toBe(201);
    expect([service.connected, other.connected, counted()]).toEqual([true, true, 0]);
    const gone = closed(service);
    expect((await admin.post('/v1/devices', { id: 'valve' })).status).toBe(201);
    await gone;
    expect(counted()).toBe(1);
    expect((await admin.get('/v1/devices/valve/presence')).body).toMatchObject({ state: 'never' });
    await expect(connectAs('valve')).rejects.toMatchObject({ code: 5 });
    await other.publishAsync('demo/x', 'x', { qos: 1 });
    await other.endAsync();
  });

  it('is disconnected also where the device is one of an import', async () => {
    const { admin } = signalbox;
    const service = await connectAs('imported-2');
    const gone = closed(service);
    const ids = Array.from({ length: 5 }, (_, n) => `imported-${n}`);
    const { status } = await admin.post('/v1/devices/import', ids.map((id) => JSON.stringify({ id })).join('\n'), {
      'content-type': 'application/x-ndjson',
    });
    expect(status).toBe(200);
    await gone;
  });

  it('is not let in where the device comes while its login is judged', async () => {
    const { admin } = signalbox;
    for (let n = 0; n < 20; n++) {
      const id = `late-${n}`;
      const [, service] = await Promise.all([admin.post('/v1/devices', { id }), connectAs(id).catch(() => null)]);
      if (service) await eventually('it is disconnected', () => !service.connected);
    }
  });

  it('is not taken for the device while it has not heard of it: neither its presence nor its acknowledgements are', async () => {
    const { admin, database } = signalbox;
    const service = await connectAs('pump');
    // As where another replica has made it, and the news of that are lost.
    const row = { id: 'pump', link: 'native' as const, created_at: Date.now() };
    await database.write([database.sql.insertInto('devices').values(row).compile()]);
    expect((await admin.get('/v1/devices/pump/presence')).body).toMatchObject({ state: 'never' });
    const spy = await listenTo(service, 'devices/pump/down/#');
    const { body } = await admin.post<{ id: string }>('/v1/devices/pump/commands', { type: 'X' });
    await spy.next('the command', ({ topic }) => topic.endsWith(body.id));
    const read = async () => (await admin.get<{ status: string }>(`/v1/commands/${body.id}`)).body.status;
    await eventually('the command is sent', async () => (await read()) !== 'PENDING');
    // Whatever the acknowledgement would have changed is there before the next exchange with the same client.
    await service.publishAsync('demo/x', 'x', { qos: 1 });
    expect(await read()).toBe('SENT');
    await service.endAsync();
  });
});
