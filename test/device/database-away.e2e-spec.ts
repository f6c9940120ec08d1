import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { LastHeard } from '../../src/mqtt/last-heard.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { connectDevice, type Device } from '../support/mqtt.js';

describe('While the database is away', () => {
  let signalbox: TestApp;
  let device: Device;
  beforeAll(async () => {
    signalbox = await createTestApp();
    device = await connectDevice(signalbox.mqttUrl);
  });
  afterAll(async () => {
    await device.end();
    await signalbox.close();
  });

  const rowOf = (id: string) =>
    signalbox.database.point.selectFrom('devices').selectAll().where('id', '=', id).executeTakeFirst();

  it('signs of life are kept for later, and of two statuses that wait the later one stays', async () => {
    await device.publish('devices/a/up/status', '{"online": false}');
    const giveBack = jest.spyOn(signalbox.app.get(LastHeard), 'giveBack');
    const holder = spawn(process.execPath, [
      resolve('test/storage/hold-lock.mjs'),
      join(signalbox.dataDir, 'signalbox.db'),
    ]);
    const ended = once(holder, 'exit');
    await once(holder.stdout, 'data');
    const before = Date.now();
    const sent = ['{"online": true, "session": "b1"}', '{"online": false, "session": "b1"}'].map((status) =>
      device.publish('devices/a/up/status', status),
    );
    await eventually(
      'it was tried in vain',
      () => giveBack.mock.calls.some(([taken]) => [...taken].length > 0),
      20_000,
    );
    const heldUntil = Date.now();
    holder.stdin.end();
    await ended;
    await Promise.all(sent);
    expect(await rowOf('a')).toMatchObject({ online: 0, session: 'b1' });
    const seen = await eventually('it was written', async () => (await rowOf('a'))!.last_seen);
    expect(seen).toBeGreaterThanOrEqual(before);
    expect(seen).toBeLessThan(heldUntil);
  });
});
