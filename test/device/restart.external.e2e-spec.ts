import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestApp, type TestApp } from '../support/app.js';
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

describe('A broker that outlives Signalbox', () => {
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
