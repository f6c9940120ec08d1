import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createTestApp } from '../support/app.js';
import { get } from '../support/http.js';
import { closed, connectMqtt } from '../support/mqtt.js';
import { startService, temporaryDirectory } from '../support/process.js';
import { join } from 'node:path';
import { presenceOf, toldOf } from './support/presence.js';

let directory: ReturnType<typeof temporaryDirectory>;
beforeAll(() => {
  directory = temporaryDirectory();
});
afterAll(() => directory.remove());

it('After kill -9 nobody is said to be online who was connected before, until they are back', async () => {
  const signalbox = await startService(directory.path);
  const connected = await connectMqtt(signalbox.mqttUrl, { clientId: 'connected' });
  await connected.publishAsync('devices/connected/up/status', '{"online": true}', { qos: 1 });
  await connected.publishAsync('devices/said/up/status', '{"online": true, "session": "b1"}', { qos: 1, retain: true });
  await connected.publishAsync('devices/gone/up/status', '{"online": false}', { qos: 1, retain: true });
  for (const [id, state] of Object.entries({ connected: 'online', said: 'online', gone: 'offline' })) {
    expect(await presenceOf(signalbox, id)).toMatchObject({ state });
  }
  const poll = await get(`${signalbox.httpUrl}/v1/device/commands/next`, {
    authorization: `Basic ${Buffer.from('poller:').toString('base64')}`,
  });
  expect(poll.status).toBe(204);
  const killedAt = Date.now();
  const end = closed(connected);
  await signalbox.stop('SIGKILL');
  await end;

  const after = await createTestApp({}, join(directory.path, 'data'));
  const restarted = { state: 'offline', reason: 'broker_restarted', source: 'broker' };
  const { since } = await presenceOf(after, 'said');
  expect(Date.parse(since!)).toBeGreaterThanOrEqual(killedAt);
  expect(await presenceOf(after, 'said')).toMatchObject({ ...restarted, session: 'b1' });
  expect(await presenceOf(after, 'connected')).toMatchObject(restarted);
  expect(await presenceOf(after, 'gone')).toMatchObject({ state: 'offline', reason: 'said_offline' });
  expect(await presenceOf(after, 'poller')).toMatchObject({ state: 'online', reason: 'polled' });
  expect(await toldOf(after, 'said', 2)).toEqual(['online said_online', 'offline broker_restarted']);
  expect(await toldOf(after, 'gone', 1)).toEqual(['offline said_offline']);
  expect(await toldOf(after, 'poller', 1)).toEqual(['online polled']);
  const back = await connectMqtt(after.mqttUrl, { clientId: 'said' });
  expect(await presenceOf(after, 'said')).toMatchObject({ state: 'online', reason: 'connected' });
  expect(await toldOf(after, 'said', 3)).toEqual([
    'online said_online',
    'offline broker_restarted',
    'online connected',
  ]);
  await back.endAsync();
  await after.close();
});
