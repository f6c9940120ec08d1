import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeviceService } from '../../src/device/device.service.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { hasExternalBroker } from '../support/backends.js';
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
