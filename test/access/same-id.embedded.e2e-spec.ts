import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readApiKey } from '../../src/common/secrets.js';
import { type RequiredApp, startRequired } from '../support/access.js';
import { eventually } from '../support/eventually.js';
import { connectMqtt, listenTo } from '../support/mqtt.js';

let signalbox: RequiredApp;
beforeAll(async () => {
  signalbox = await startRequired();
});
afterAll(async () => {
  await signalbox.close();
});

describe('A service whose client id becomes that of a device', () => {
  it('is not taken for the device: neither its presence nor its acknowledgements are', async () => {
    const { admin, adminKey } = signalbox;
    const service = await connectMqtt(signalbox.mqttUrl, {
      clientId: 'pump',
      username: readApiKey(adminKey)!.id,
      password: adminKey,
    });
    expect((await admin.post('/v1/devices', { id: 'pump' })).status).toBe(201);
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
