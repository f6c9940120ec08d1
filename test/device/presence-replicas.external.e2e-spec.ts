import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createTestApp, type TestApp } from '../support/app.js';
import { type Backends, startBackends } from '../support/backends.js';
import { eventually } from '../support/eventually.js';
import { connectDevice, type Device } from '../support/mqtt.js';
import { temporaryDirectory } from '../support/process.js';
import { changesOf, presenceOf, toldOf } from './support/presence.js';

let directory: ReturnType<typeof temporaryDirectory>;
let backends: Backends;
let replicas: TestApp[];
let device: Device;
beforeAll(async () => {
  directory = temporaryDirectory();
  backends = await startBackends(directory.path, {});
  replicas = await Promise.all(
    ['one', 'two'].map((name) => {
      const home = join(directory.path, name);
      mkdirSync(home);
      return createTestApp({ ...backends.settings }, home);
    }),
  );
  device = await connectDevice(replicas[0]!.mqttUrl);
});
afterAll(async () => {
  await device.end();
  for (const replica of replicas) await replica.close();
  await backends.stop();
  await backends.remove();
  directory.remove();
});

const say = (id: string, status: object) =>
  device.publish(`devices/${id}/up/status`, JSON.stringify(status), { retain: true });

describe('Two replicas at one broker and one database', () => {
  it('say the same of a device, whichever of them heard it, and tell each change once', async () => {
    const ids = Array.from({ length: 20 }, (_, i) => `pump-${i}`);
    for (const online of [true, false, true]) {
      await Promise.all(ids.map((id) => say(id, { online, session: 'b1' })));
    }
    for (const id of ids) {
      expect(await toldOf(replicas[0]!, id, 3)).toEqual([
        'online said_online',
        'offline said_offline',
        'online said_online',
      ]);
      const [last] = (await changesOf(replicas[1]!, id)).slice(-1);
      for (const replica of replicas) {
        expect(await presenceOf(replica, id)).toMatchObject({ state: 'online', since: last!.since });
      }
    }
  });

  it('tell once that devices are heard for the first time, and that they are heard after they were said to be offline', async () => {
    const ids = Array.from({ length: 20 }, (_, i) => `lamp-${i}`);
    const heard = () =>
      Promise.all(
        ids.flatMap((id) => [1, 2, 3].map((n) => device.publish(`devices/${id}/up/telemetry`, `{"n": ${n}}`))),
      );
    await heard();
    for (const id of ids) expect(await toldOf(replicas[0]!, id, 1)).toEqual(['unknown activity']);
    await Promise.all(ids.map((id) => say(id, { online: false })));
    const { database } = replicas[0]!;
    const past = { status_at: Date.now() - 60_000, last_seen: Date.now() - 61_000 };
    await database.write([database.sql.updateTable('devices').set(past).where('id', 'in', ids).compile()]);
    await heard();
    for (const id of ids) {
      expect(await toldOf(replicas[1]!, id, 3)).toEqual([
        'unknown activity',
        'offline said_offline',
        'unknown activity',
      ]);
    }
    await heard();
    await eventually('the next flush is over', async () => {
      const rows = await database.point.selectFrom('devices').select('last_seen').where('id', 'in', ids).execute();
      return rows.every(({ last_seen }) => last_seen! > Date.now() - 6_000);
    });
    for (const id of ids) expect(await toldOf(replicas[1]!, id, 3)).toHaveLength(3);
  });
});
