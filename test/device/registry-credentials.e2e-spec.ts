import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RegistryService, type Revocation } from '../../src/device/registry.service.js';
import { basic, type RequiredApp, startRequired } from '../support/access.js';
import { eventually } from '../support/eventually.js';
import type { ProblemBody } from '../support/http.js';
import type { CreatedDevice, ShownCredential } from './registry-box.js';

let signalbox: RequiredApp;
let registry: RegistryService;
let revoked: Revocation[];
beforeAll(async () => {
  signalbox = await startRequired();
  registry = signalbox.app.get(RegistryService, { strict: false });
  registry.onRevoked((revocation) => revoked.push(revocation));
  revoked = [];
});
afterAll(async () => {
  await signalbox.close();
});

const create = async (id: string) => (await signalbox.admin.post<CreatedDevice>('/v1/devices', { id })).body.credential;
const path = (id: string, credential = '') => `/v1/devices/${id}/credentials${credential && `/${credential}`}`;
const issue = async (id: string, body?: unknown) => (await signalbox.admin.post<ShownCredential>(path(id), body)).body;
const list = async (id: string) =>
  (await signalbox.admin.get<{ items: readonly Record<string, unknown>[] }>(path(id))).body.items;
/** The status of a request that the device makes with this secret. */
const logIn = async (id: string, secret: string) =>
  (await signalbox.anonymous.post('/v1/device/telemetry', { t: 1 }, basic(id, secret))).status;
const endedOf = (id: string) =>
  revoked.filter(({ deviceId }) => deviceId === id).map(({ credentialId }) => credentialId);

describe('The credentials of a device', () => {
  it('are rotated with an overlap: two are valid, and the third-oldest ends at once', async () => {
    const first = await create('rot');
    expect(await logIn('rot', first.secret)).toBe(200);
    const second = await issue('rot');
    expect([await logIn('rot', first.secret), await logIn('rot', second.secret)]).toEqual([200, 200]);
    const [old, young] = await list('rot');
    expect(Object.keys(old!)).toEqual(['id', 'createdAt', 'expiresAt']);
    expect([old!['id'], young!['id']]).toEqual([first.id, second.id]);
    const left = Date.parse(old!['expiresAt'] as string) - Date.now();
    expect(left).toBeGreaterThan(86_000_000);
    expect(left).toBeLessThanOrEqual(86_400_000);
    expect(young!['expiresAt']).toBeNull();
    expect(endedOf('rot')).toEqual([]);

    const third = await issue('rot', { overlapSeconds: 3_600 });
    expect(endedOf('rot')).toEqual([first.id]);
    const logins = [];
    for (const { secret } of [first, second, third]) logins.push(await logIn('rot', secret));
    expect(logins).toEqual([401, 200, 200]);
    // A longer overlap gives nothing back that was to end before.
    const before = (await list('rot')).map(({ id, expiresAt }) => ({ id, expiresAt }));
    expect(before[0]).toMatchObject({ id: second.id });
    expect(Date.parse(before[0]!.expiresAt as string) - Date.now()).toBeLessThanOrEqual(3_600_000);
  });

  it('end when the overlap is over, with those who are logged in', async () => {
    const first = await create('soon');
    const second = await issue('soon', { overlapSeconds: 1 });
    expect(await logIn('soon', first.secret)).toBe(200);
    await eventually('the first has ended', async () => (await logIn('soon', first.secret)) === 401);
    await eventually('who was logged in with it is told', () => endedOf('soon').includes(first.id));
    expect((await list('soon')).map(({ id }) => id)).toEqual([second.id]);
    expect(await logIn('soon', second.secret)).toBe(200);
  });

  it('end at once without an overlap', async () => {
    const first = await create('now');
    const second = await issue('now');
    const third = await issue('now', { overlapSeconds: 0 });
    expect(endedOf('now').toSorted()).toEqual([first.id, second.id].toSorted());
    expect((await list('now')).map(({ id }) => id)).toEqual([third.id]);
    expect(await logIn('now', second.secret)).toBe(401);
  });

  it('are at most two however many are issued at the same time', async () => {
    await create('many');
    const issued = await Promise.all(Array.from({ length: 8 }, () => issue('many')));
    const listed = (await list('many')).map(({ id }) => id);
    expect(listed).toHaveLength(2);
    // Not all that have ended: five in a row would lock the device.
    const replaced = issued.filter(({ id }) => !listed.includes(id)).slice(0, 4);
    for (const { secret } of replaced) expect(await logIn('many', secret)).toBe(401);
    for (const { secret } of issued.filter(({ id }) => listed.includes(id))) {
      expect(await logIn('many', secret)).toBe(200);
    }
  });

  it('are revoked one by one, and what is none is 404', async () => {
    const first = await create('rev');
    const second = await issue('rev');
    expect((await signalbox.admin.delete(path('rev', first.id))).status).toBe(204);
    expect(endedOf('rev')).toEqual([first.id]);
    expect([await logIn('rev', first.secret), await logIn('rev', second.secret)]).toEqual([401, 200]);
    const other = await create('rev-other');
    for (const id of [first.id, other.id, 'x', '%00', 'x'.repeat(200)]) {
      const { status, body } = await signalbox.admin.delete<ProblemBody>(path('rev', id));
      expect({ status, code: body.code }).toEqual({ status: 404, code: 'CREDENTIAL_UNKNOWN' });
    }
    expect((await signalbox.admin.delete(path('rev', second.id))).status).toBe(204);
    expect(await list('rev')).toEqual([]);
    expect(await logIn('rev-other', other.secret)).toBe(200);
  });

  it.each([{ overlapSeconds: -1 }, { overlapSeconds: 604_801 }, { overlapSeconds: '60' }, { seconds: 1 }, []])(
    'are not issued for %j',
    async (body) => {
      await create('bad');
      expect((await signalbox.admin.post(path('bad'), body)).status).toBe(400);
      expect(await list('bad')).toHaveLength(1);
    },
  );

  it('end for those who are logged in also where the change had been made before, but was said to have failed', async () => {
    const { id } = await create('twice');
    for (let times = 1; times <= 2; times++) {
      await signalbox.admin.delete(path('twice', id));
      expect(endedOf('twice')).toEqual(Array(times).fill(id));
    }
    for (let times = 1; times <= 2; times++) {
      expect((await signalbox.admin.patch('/v1/devices/twice', { enabled: false })).status).toBe(200);
      expect(endedOf('twice').filter((one) => one === null)).toHaveLength(times);
    }
  });

  it('are of no use while the device is disabled, and all who are logged in are told', async () => {
    const { secret } = await create('off');
    await signalbox.admin.patch('/v1/devices/off', { enabled: false });
    expect(endedOf('off')).toEqual([null]);
    expect(await logIn('off', secret)).toBe(401);
    await signalbox.admin.patch('/v1/devices/off', { enabled: true });
    expect(await logIn('off', secret)).toBe(200);
  });

  it('leave a trail without secrets in the audit log', async () => {
    const { id } = await create('trail');
    const second = await issue('trail');
    await signalbox.admin.delete(path('trail', id));
    const rows = await signalbox.database.point
      .selectFrom('audit')
      .selectAll()
      .where('target', 'like', 'trail%')
      .orderBy('seq')
      .execute();
    expect(rows.map(({ action, target }) => [action, target])).toEqual([
      ['device.create', 'trail'],
      ['credential.create', `trail/${second.id}`],
      ['credential.revoke', `trail/${id}`],
    ]);
    expect(rows.every(({ actor }) => actor === signalbox.adminKey.split('_')[1])).toBe(true);
    expect(JSON.stringify(rows)).not.toContain(second.secret);
  });
});

describe('Who follows the registry', () => {
  it('knows a secret before it is stored; where it does not take it over, nothing is stored', async () => {
    const told: string[] = [];
    let refuses = false;
    const end = registry.follow({
      credentialIssued: async (deviceId, secret) => {
        if (refuses) throw new Error('the broker is away');
        expect(await logIn(deviceId, secret)).toBe(401);
        told.push(`${deviceId} ${secret}`);
      },
      changed: (deviceId) => told.push(`${deviceId}`),
    });
    const first = await create('fol');
    expect(told).toEqual([`fol ${first.secret}`, 'fol']);
    told.length = 0;
    const second = await issue('fol');
    expect(told).toEqual([`fol ${second.secret}`, 'fol']);
    told.length = 0;

    refuses = true;
    for (const answer of [
      await signalbox.admin.post<ProblemBody>('/v1/devices', { id: 'fol-2' }),
      await signalbox.admin.post<ProblemBody>(path('fol'), {}),
    ]) {
      expect({ status: answer.status, code: answer.body.code }).toEqual({ status: 503, code: 'FOLLOWER_UNAVAILABLE' });
      expect(answer.headers.get('retry-after')).not.toBeNull();
    }
    expect((await signalbox.admin.get('/v1/devices/fol-2')).status).toBe(404);
    expect((await list('fol')).map(({ id }) => id)).toEqual([first.id, second.id]);
    // Whatever it had taken over is to be looked at again.
    expect(told).toEqual(['fol-2', 'fol']);
    told.length = 0;

    const lines = await signalbox.admin.post<{ failed: readonly { code: string }[] }>(
      '/v1/devices/import',
      '{"id": "fol-3"}',
      { 'content-type': 'application/x-ndjson' },
    );
    expect(lines.body.failed.map(({ code }) => code)).toEqual(['FOLLOWER_UNAVAILABLE']);
    refuses = false;
    told.length = 0;
    await signalbox.admin.patch('/v1/devices/fol', { enabled: false });
    await signalbox.admin.patch('/v1/devices/fol', { enabled: true });
    await signalbox.admin.delete(path('fol', first.id));
    expect(told).toEqual(['fol', 'fol', 'fol']);
    await signalbox.admin.delete('/v1/devices/fol');
    expect(told.length).toBeGreaterThan(3);
    end();
    told.length = 0;
    await create('fol-4');
    expect(told).toEqual([]);
  });
});
