import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RegistryService, type Revocation } from '../../src/device/registry.service.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { basic, type Requests, requestsWith } from '../support/access.js';
import { eventually } from '../support/eventually.js';
import { type Postgres, startPostgres } from '../support/postgres.js';
import { FOR_REPLICAS, type Mosquitto, startMosquitto } from '../support/services.js';
import type { CreatedDevice, ShownCredential } from './registry-box.js';

interface Replica {
  readonly signalbox: TestApp;
  readonly api: Requests;
  readonly revoked: Revocation[];
  readonly changed: (string | null)[];
}

let postgres: Postgres;
let mosquitto: Mosquitto;
let here: Replica;
let there: Replica;

async function start(settings: Record<string, string>): Promise<Replica> {
  const signalbox = await createTestApp(settings);
  const [revoked, changed]: [Revocation[], (string | null)[]] = [[], []];
  const registry = signalbox.app.get(RegistryService, { strict: false });
  registry.onRevoked((revocation) => revoked.push(revocation));
  registry.follow({ credentialIssued: async () => {}, changed: (id) => changed.push(id) });
  return { signalbox, api: requestsWith(signalbox.httpUrl, {}), revoked, changed };
}

beforeAll(async () => {
  postgres = await startPostgres();
  mosquitto = await startMosquitto({ config: FOR_REPLICAS });
  const settings = {
    MQTT_URL: mosquitto.url,
    DATABASE_URL: await postgres.createDatabase(),
    DEVICE_REGISTRATION: 'closed',
  };
  here = await start(settings);
  there = await start(settings);
}, 60_000);
afterAll(async () => {
  await there?.signalbox.close();
  await here?.signalbox.close();
  await mosquitto?.stop();
  await postgres?.remove();
});

/** The code by which a reading of the device is refused at a replica; null where it is taken. */
async function refusalAt({ api }: Replica, id: string): Promise<string | null> {
  const { body } = await api.post<{ rejected: readonly { code: string }[] }>(
    '/v1/device/telemetry',
    { t: 1 },
    basic(id, 'x'),
  );
  return body.rejected[0]?.code ?? null;
}

describe('Replicas', () => {
  it('admit and refuse a device by what was decided at the other', async () => {
    expect(await refusalAt(there, 'd')).toBe('DEVICE_UNKNOWN');
    await here.api.post('/v1/devices', { id: 'd' });
    await eventually('it is known', async () => (await refusalAt(there, 'd')) === null);
    await here.api.patch('/v1/devices/d', { enabled: false });
    await eventually('it is disabled', async () => (await refusalAt(there, 'd')) === 'DEVICE_DISABLED', 4_000);
    await there.api.patch('/v1/devices/d', { enabled: true });
    expect(await refusalAt(there, 'd')).toBeNull();
    await eventually('it is enabled', async () => (await refusalAt(here, 'd')) === null, 4_000);
    await here.api.delete('/v1/devices/d');
    expect(await refusalAt(here, 'd')).toBe('DEVICE_UNKNOWN');
    await eventually('it is gone', async () => (await refusalAt(there, 'd')) === 'DEVICE_UNKNOWN', 4_000);
    // Long enough for what was under way: nothing has brought it back.
    expect((await there.api.get('/v1/devices/d')).status).toBe(404);
  });

  it('are told which logins have ended, and each tells its followers once', async () => {
    const first = (await here.api.post<CreatedDevice>('/v1/devices', { id: 'r' })).body.credential;
    await eventually('the creation is known', () => there.changed.includes('r'));
    for (const { changed, revoked } of [here, there]) changed.length = revoked.length = 0;
    const second = (await here.api.post<ShownCredential>('/v1/devices/r/credentials', {})).body;
    await there.api.delete(`/v1/devices/r/credentials/${first.id}`);
    await here.api.patch('/v1/devices/r', { enabled: false });
    await here.api.patch('/v1/devices/r', { enabled: true });
    await here.api.post('/v1/devices/r/credentials', { overlapSeconds: 0 });
    const ended = [
      { deviceId: 'r', credentialId: first.id },
      { deviceId: 'r', credentialId: null },
      { deviceId: 'r', credentialId: second.id },
    ];
    for (const { revoked, changed } of [here, there]) {
      await eventually('all was told', () => revoked.length >= 3);
      expect(revoked).toHaveLength(3);
      expect(revoked).toEqual(expect.arrayContaining(ended));
      await eventually('all changes', () => changed.length >= 5);
      expect(changed).toEqual(Array(5).fill('r'));
    }
  });

  it('make one device of what is asked for at both, and lose no change of either', async () => {
    const answers = await Promise.all(
      [here, there, here, there].map(({ api }) => api.post('/v1/devices', { id: 'both' })),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 409, 409, 409]);
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        (i % 2 === 0 ? here : there).api.patch('/v1/devices/both', { tags: { [`k${i}`]: 'v' } }),
      ),
    ).then((patches) => expect(patches.map(({ status }) => status)).toEqual(Array(20).fill(200)));
    const { body } = await here.api.get<CreatedDevice>('/v1/devices/both');
    expect(Object.keys(body.tags)).toHaveLength(20);
    const issued = await Promise.all(
      Array.from({ length: 6 }, (_, i) => (i % 2 === 0 ? here : there).api.post('/v1/devices/both/credentials', {})),
    );
    expect(issued.map(({ status }) => status)).toEqual(Array(6).fill(201));
    const { items } = (await here.api.get<{ items: unknown[] }>('/v1/devices/both/credentials')).body;
    expect(items).toHaveLength(2);
  });
});
