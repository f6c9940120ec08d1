import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readApiKey } from '../../src/common/secrets.js';
import { MqttLink } from '../../src/mqtt/link.js';
import { type RequiredApp, startRequired } from '../support/access.js';
import { eventually } from '../support/eventually.js';
import { closed, connectMqtt } from '../support/mqtt.js';

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
});
