import { afterEach, describe, expect, it } from '@jest/globals';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fleet } from '../replica/support/fleet.js';
import { bearer, requestsWith } from '../support/access.js';
import { eventually } from '../support/eventually.js';
import { temporaryDirectory } from '../support/process.js';

let fleet: Fleet | null = null;
afterEach(async () => {
  await fleet?.stop();
  fleet = null;
});

const as = (replica: number, key: string) => requestsWith(fleet!.replicas[replica]!.httpUrl, bearer(key));
const statuses = (path: string, key: string) =>
  Promise.all(fleet!.replicas.map(async (_, n) => (await as(n, key).get(path)).status));
const keyCount = async (key: string) => (await as(0, key).get<{ items: unknown[] }>('/v1/api-keys')).body.items.length;

describe('Replicas that start at once for the first time', () => {
  it('make exactly one admin key, which all let in, in the directory of the one that made it', async () => {
    fleet = await Fleet.start(3, () => ({ ACCESS: 'required' }));
    const directories = fleet.replicas.map(({ dataDir }) => join(dataDir, 'data'));
    const files = directories.filter((directory) => existsSync(join(directory, 'admin.key')));
    expect(files).toHaveLength(1);
    const key = readFileSync(join(files[0]!, 'admin.key'), 'utf8');
    expect(await statuses('/v1/session', key)).toEqual([200, 200, 200]);
    expect(await keyCount(key)).toBe(1);
    const left = directories.flatMap((directory) => (existsSync(directory) ? readdirSync(directory) : []));
    expect(left.filter((name) => name.startsWith('admin.key'))).toEqual(['admin.key']);
    const { body } = await as(0, key).get<{ items: { action: string }[] }>('/v1/audit');
    expect(body.items.map(({ action }) => action)).toEqual(['key.create']);
    for (const replica of fleet.replicas) expect(replica.output()).not.toContain(key.slice(21));
  });

  it('make exactly one where they share a directory, and its file is that of the key', async () => {
    const shared = temporaryDirectory();
    fleet = await Fleet.start(3, () => ({ ACCESS: 'required', DATA_DIR: shared.path }));
    expect(readdirSync(shared.path)).toEqual(['admin.key']);
    const key = readFileSync(join(shared.path, 'admin.key'), 'utf8');
    expect(await statuses('/v1/session', key)).toEqual([200, 200, 200]);
    expect(await keyCount(key)).toBe(1);
    shared.remove();
  });
});

describe('A key', () => {
  it('that one replica makes lets in at all, and that another revokes is out at all, with its sessions', async () => {
    fleet = await Fleet.start(2, () => ({ ACCESS: 'required' }));
    const file = fleet.replicas.map(({ dataDir }) => join(dataDir, 'data/admin.key')).find((path) => existsSync(path))!;
    const admin = readFileSync(file, 'utf8');
    const made = await as(0, admin).post<{ id: string; key: string }>('/v1/api-keys', {
      name: 'k',
      scopes: ['commands:read'],
    });
    const { id, key } = made.body;
    await eventually('both know it', async () =>
      (await statuses('/v1/commands', key)).every((status) => status === 200),
    );
    const opened = await requestsWith(fleet.replicas[0]!.httpUrl, {}).post('/v1/session', { key });
    const cookie = opened.headers.get('set-cookie')!.split(';')[0]!;
    const page = requestsWith(fleet.replicas[1]!.httpUrl, { cookie });
    expect((await page.get('/v1/commands')).status).toBe(200);

    const revokedAt = performance.now();
    expect((await as(1, admin).delete(`/v1/api-keys/${id}`)).status).toBe(204);
    expect((await as(1, key).get('/v1/commands')).status).toBe(401);
    await eventually('the other has heard of it', async () => (await as(0, key).get('/v1/commands')).status === 401);
    // By the news, and not because what is known has become old (5 s).
    expect(performance.now() - revokedAt).toBeLessThan(3_000);
    expect((await page.get('/v1/commands')).status).toBe(401);
  });
});
