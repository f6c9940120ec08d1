import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestApp, type TestApp } from '../support/app.js';
import { type Requests, requestsWith } from '../support/access.js';
import type { ProblemBody } from '../support/http.js';
import { connectDevice } from '../support/mqtt.js';
import type { CreatedDevice, ShownDevice } from './registry-box.js';

let signalbox: TestApp;
let api: Requests;
beforeAll(async () => {
  signalbox = await createTestApp();
  api = requestsWith(signalbox.httpUrl, {});
});
afterAll(async () => {
  await signalbox.close();
});

const create = async (body: object) => (await api.post<CreatedDevice>('/v1/devices', body)).body;
const actionsOn = async (id: string) => {
  const rows = await signalbox.database.point
    .selectFrom('audit')
    .selectAll()
    .where('target', '=', id)
    .orderBy('seq')
    .execute();
  return rows.map(({ actor, action, ip, request_id: requestId }) => ({ actor, action, ip, requestId }));
};

describe('POST /v1/devices', () => {
  it('creates a device, and tells its credential once', async () => {
    const asked = { id: 'pump-1', name: 'Pümp <1>', type: 'pump', tags: { site: 'north', constructor: 'x' } };
    const { status, headers, body } = await api.post<CreatedDevice>('/v1/devices', asked);
    expect(status).toBe(201);
    expect(headers.get('location')).toBe('/v1/devices/pump-1');
    expect(headers.get('etag')).toMatch(/^"[^"]+"$/);
    expect(headers.get('cache-control')).toBe('no-store');
    const { credential, ...device } = body;
    expect(device).toEqual({
      ...asked,
      enabled: true,
      approved: true,
      link: 'native',
      presence: { state: 'never', since: null, reason: 'never_seen', source: 'none', lastSeen: null, session: null },
      createdAt: expect.stringMatching(/Z$/),
      lastSeen: null,
      counts: { openCommands: 0, rejects: 0 },
    });
    expect(credential).toEqual({ id: expect.stringMatching(/^\w{16}$/), secret: expect.stringMatching(/^\w{43}$/) });
    const read = await api.get<ShownDevice>('/v1/devices/pump-1');
    expect(read.body).toEqual(device);
    expect(read.headers.get('etag')).toBe(headers.get('etag'));
    const { database } = signalbox;
    const kept = await database.point.selectFrom('credentials').selectAll().where('device_id', '=', 'pump-1').execute();
    expect(JSON.stringify(kept)).not.toContain(credential.secret);
    expect(await actionsOn('pump-1')).toEqual([
      { actor: 'anyone', action: 'device.create', ip: expect.any(String), requestId: headers.get('x-request-id') },
    ]);
  });

  it('needs nothing but an id, and refuses one that there is', async () => {
    expect(await create({ id: 'bare' })).toMatchObject({ id: 'bare', name: null, type: null, tags: {} });
    const { status, body } = await api.post<ProblemBody>('/v1/devices', { id: 'bare', name: 'other' });
    expect({ status, code: body.code }).toEqual({ status: 409, code: 'DEVICE_EXISTS' });
    expect((await api.get<ShownDevice>('/v1/devices/bare')).body.name).toBeNull();
    expect(await actionsOn('bare')).toHaveLength(1);
  });

  it('creates one of 20 that are asked for at the same time under one id', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => api.post('/v1/devices', { id: 'same', name: `${i}`, tags: { n: `${i}` } })),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([201, ...Array<number>(19).fill(409)]);
    const { name, tags } = (await api.get<ShownDevice>('/v1/devices/same')).body;
    expect(tags).toEqual({ n: name });
  });

  it.each([
    [{}, '/id'],
    [{ id: '-a' }, '/id'],
    [{ id: 'a/b' }, '/id'],
    [{ id: 'a', name: '' }, '/name'],
    [{ id: 'a', name: null }, '/name'],
    [{ id: 'a', name: 'a\nb' }, '/name'],
    [{ id: 'a', type: 'a,b' }, '/type'],
    [{ id: 'a', type: 'x'.repeat(129) }, '/type'],
    [{ id: 'a', tags: { 'a b': 'x' } }, '/tags'],
    [{ id: 'a', tags: { a: '' } }, '/tags'],
    [{ id: 'a', tags: { a: 1 } }, '/tags'],
    [{ id: 'a', tags: ['a'] }, '/tags'],
    [{ id: 'a', tags: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`k${i}`, 'v'])) }, '/tags'],
    [{ id: 'a', enabled: false }, '/enabled'],
  ])('refuses %j', async (body, pointer) => {
    const answer = await api.post<ProblemBody>('/v1/devices', body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors?.map((error) => error.pointer)).toEqual([pointer]);
    expect((await api.get('/v1/devices/a')).status).toBe(404);
  });

  it('refuses a body of another type', async () => {
    for (const type of ['text/csv', 'application/merge-patch+json', 'text/plain']) {
      expect((await api.post('/v1/devices', '{"id": "typed"}', { 'content-type': type })).status).toBe(415);
    }
  });
});

describe('PATCH /v1/devices/{id}', () => {
  it('is a merge patch, for name, type, tags, enabled and link', async () => {
    await create({ id: 'patched', name: 'a', type: 't', tags: { a: '1', b: '2' } });
    const patch = { name: null, tags: { a: null, c: '3', nothing: null }, enabled: false, link: 'foreign' };
    for (const type of ['application/merge-patch+json', 'application/json']) {
      const { status, body } = await api.patch<ShownDevice>('/v1/devices/patched', patch, { 'content-type': type });
      expect(status).toBe(200);
      expect(body).toMatchObject({ name: null, type: 't', enabled: false, link: 'foreign' });
      expect(body.tags).toEqual({ b: '2', c: '3' });
    }
    const { body } = await api.patch<ShownDevice>('/v1/devices/patched', { tags: null, enabled: true });
    expect(body).toMatchObject({ tags: {}, enabled: true });
    expect((await actionsOn('patched')).map(({ action }) => action)).toEqual([
      'device.create',
      'device.update',
      'device.disable',
      'device.update',
      'device.enable',
    ]);
  });

  it('that changes nothing leaves the version, and the audit log', async () => {
    await create({ id: 'still', name: 'n', tags: { a: '1' } });
    const before = (await api.get('/v1/devices/still')).headers.get('etag');
    const { headers } = await api.patch('/v1/devices/still', { name: 'n', tags: { a: '1', b: null } });
    expect(headers.get('etag')).toBe(before);
    expect(await actionsOn('still')).toHaveLength(1);
  });

  it('is made only to the version that If-Match names', async () => {
    await create({ id: 'versioned' });
    const first = (await api.get('/v1/devices/versioned')).headers.get('etag')!;
    const patch = (name: string, ifMatch: string) =>
      api.patch<ProblemBody>('/v1/devices/versioned', { name }, { 'if-match': ifMatch });
    const second = await patch('b', `"other", ${first}`);
    expect(second.status).toBe(200);
    expect(second.headers.get('etag')).not.toBe(first);
    for (const stale of [first, `W/${second.headers.get('etag')}`, 'nonsense', '""']) {
      const { status, body } = await patch('c', stale);
      expect({ status, code: body.code }).toEqual({ status: 412, code: 'PRECONDITION_FAILED' });
    }
    expect((await patch('d', '*')).status).toBe(200);
    expect((await api.get<ShownDevice>('/v1/devices/versioned')).body.name).toBe('d');
    expect((await api.delete('/v1/devices/versioned', { 'if-match': first })).status).toBe(412);
    expect((await api.get('/v1/devices/versioned')).status).toBe(200);
  });

  it('loses none of 20 that are made at the same time, and with If-Match makes one', async () => {
    await create({ id: 'busy' });
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => api.patch('/v1/devices/busy', { tags: { [`k${i % 10}`]: `${i % 10}` } })),
    );
    const { body, headers } = await api.get<ShownDevice>('/v1/devices/busy');
    expect(Object.keys(body.tags)).toHaveLength(10);
    const etag = headers.get('etag')!;
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        api.patch('/v1/devices/busy', { name: `n${i}`, tags: { n: `n${i}` } }, { 'if-match': etag }),
      ),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, ...Array<number>(9).fill(412)]);
    const after = (await api.get<ShownDevice>('/v1/devices/busy')).body;
    expect(after.tags['n']).toBe(after.name);
  });

  it.each([
    [[], ''],
    [{ enabled: null }, '/enabled'],
    [{ enabled: 'false' }, '/enabled'],
    [{ link: 'other' }, '/link'],
    [{ id: 'x' }, '/id'],
    [{ approved: true }, '/approved'],
    [{ tags: { 'a/b': null } }, '/tags'],
    [{ tags: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`k${i}`, 'v'])) }, '/tags'],
  ])('refuses %j', async (patch, pointer) => {
    await api.post('/v1/devices', { id: 'unpatched' });
    const { status, body } = await api.patch<ProblemBody>('/v1/devices/unpatched', patch);
    expect(status).toBe(400);
    expect(body.errors?.map((error) => error.pointer)).toEqual([pointer]);
  });

  it.each(['nobody', 'no%20id', 'x'.repeat(129)])('is 404 for %s, as all that is asked of it', async (id) => {
    for (const { status, body } of [
      await api.patch<ProblemBody>(`/v1/devices/${id}`, {}),
      await api.get<ProblemBody>(`/v1/devices/${id}`),
      await api.post<ProblemBody>(`/v1/devices/${id}/approve`, {}),
      await api.get<ProblemBody>(`/v1/devices/${id}/credentials`),
      await api.post<ProblemBody>(`/v1/devices/${id}/credentials`, {}),
      await api.delete<ProblemBody>(`/v1/devices/${id}/credentials/x`),
      await api.get<ProblemBody>(`/v1/devices/${id}/connect`),
    ]) {
      expect({ status, code: body.code }).toEqual({ status: 404, code: 'DEVICE_UNKNOWN' });
    }
  });
});

describe('GET /v1/devices/{id}', () => {
  it('is 304 for who has this version, and 200 again when a user has changed it', async () => {
    await create({ id: 'cached' });
    const etag = (await api.get('/v1/devices/cached')).headers.get('etag')!;
    for (const known of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const { status, text, headers } = await api.get('/v1/devices/cached', { 'if-none-match': known });
      expect({ status, text, etag: headers.get('etag') }).toEqual({ status: 304, text: '', etag });
    }
    await api.patch('/v1/devices/cached', { name: 'n' });
    expect((await api.get('/v1/devices/cached', { 'if-none-match': etag })).status).toBe(200);
  });

  it('counts open commands and rejects, and shows a device that came by itself', async () => {
    const device = await connectDevice(signalbox.mqttUrl);
    await device.publish('devices/counted/up/telemetry', '{"t": 1}');
    await device.publish('devices/counted/up/telemetry', 'no json');
    await api.post('/v1/devices/counted/commands', { type: 'ON' });
    const { body } = await api.get<ShownDevice>('/v1/devices/counted');
    expect(body).toMatchObject({ id: 'counted', approved: true, counts: { openCommands: 1, rejects: 1 } });
    expect(body.lastSeen).not.toBeNull();
    await device.end();
  });
});
