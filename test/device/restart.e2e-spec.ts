import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeviceService } from '../../src/device/device.service.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { hasExternalBroker } from '../support/backends.js';
import { eventually } from '../support/eventually.js';
import { connectDevice } from '../support/mqtt.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'signalbox-test-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const rowOf = ({ database }: TestApp, id: string) =>
  database.point.selectFrom('devices').selectAll().where('id', '=', id).executeTakeFirst();

describe('A restart', () => {
  it('loses no sign of life that was heard just before', async () => {
    const first = await createTestApp({}, directory);
    const device = await connectDevice(first.mqttUrl);
    const before = Date.now();
    await device.publish('devices/a/up/telemetry', '{"t": 1}');
    await device.publish('devices/a/up/status', '{"online": true, "session": "b1"}', { retain: true });
    const said = await rowOf(first, 'a');
    await device.end();
    await first.close();

    const second = await createTestApp({}, directory);
    const row = await rowOf(second, 'a');
    expect(row!.last_seen).toBeGreaterThanOrEqual(before);
    // What an external broker replays is what we knew; at the embedded one nobody is connected any more.
    expect(row).toMatchObject({ online: 1, session: 'b1', status_at: said!.status_at });
    const { state } = await second.app.get(DeviceService).presenceOf('a');
    expect(state).toBe(hasExternalBroker ? 'online' : 'offline');
    await second.close();
  });
});

(hasExternalBroker ? describe : describe.skip)('A broker that outlives Signalbox', () => {
  it('tells what devices said meanwhile, and of stale wills it tells nothing', async () => {
    const first = await createTestApp({}, directory);
    const { database, mqttUrl } = first;
    const device = await connectDevice(mqttUrl);
    await device.publish('devices/a/up/status', '{"online": true, "session": "b1"}', { retain: true });
    await device.publish('devices/b/up/status', '{"online": true, "session": "b2"}', { retain: true });
    await device.publish('devices/b/up/status', '{"online": false, "session": "b1"}', { retain: true });
    // As if nothing of it had been heard.
    await database.write([database.sql.deleteFrom('devices').where('id', '=', 'a').compile()]);
    await device.end();
    await first.close();

    const second = await createTestApp({}, directory);
    const back = await eventually('the retained status came', () => rowOf(second, 'a'));
    expect(back).toMatchObject({ link: 'native', online: 1, session: 'b1', last_seen: null });
    expect(await rowOf(second, 'b')).toMatchObject({ online: 1, session: 'b2' });
    await second.close();
  });
});
