import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type RequiredApp, type Requests, startRequired } from '../support/access.js';
import type { ProblemBody } from '../support/http.js';
import { type CreatedDevice, idsOf, type ShownDevice } from './registry-box.js';

let signalbox: RequiredApp;
/** A key that is limited to devices of the site north. */
let north: Requests;
let reader: Requests;
const keyWith = async (scopes: readonly string[], tags?: object): Promise<Requests> => {
  const { status, body } = await signalbox.admin.post<{ key: string }>('/v1/api-keys', {
    name: 'test',
    scopes,
    ...(tags && { tags }),
  });
  expect(status).toBe(201);
  return signalbox.as(body.key);
};
beforeAll(async () => {
  signalbox = await startRequired();
  north = await keyWith(['devices:read', 'devices:write'], { site: 'north' });
  reader = await keyWith(['devices:read']);
  for (const [id, tags] of [
    ['north-1', { site: 'north', floor: '1' }],
    ['south-1', { site: 'south' }],
    ['bare-1', {}],
  ] as const) {
    expect((await signalbox.admin.post('/v1/devices', { id, tags })).status).toBe(201);
  }
});
afterAll(async () => {
  await signalbox.close();
});

const codeOf = ({ status, body }: { readonly status: number; readonly body: unknown }) =>
  `${status} ${(body as Partial<ProblemBody> | undefined)?.code ?? ''}`.trim();

describe('A key that is limited to tags', () => {
  it('sees only the devices that carry them, in lists too', async () => {
    expect((await idsOf(north, 'limit=10')).flat()).toEqual(['north-1']);
    expect((await idsOf(north, 'tag=site:south')).flat()).toEqual([]);
    expect((await north.get<ShownDevice>('/v1/devices/north-1')).body.id).toBe('north-1');
    for (const id of ['south-1', 'bare-1', 'nobody']) {
      for (const answer of [
        await north.get(`/v1/devices/${id}`),
        await north.get(`/v1/devices/${id}/connect`),
        await north.get(`/v1/devices/${id}/credentials`),
        await north.post(`/v1/devices/${id}/credentials`, {}),
        await north.delete(`/v1/devices/${id}/credentials/x`),
        await north.post(`/v1/devices/${id}/approve`, {}),
        await north.patch(`/v1/devices/${id}`, { tags: { site: 'north' } }),
        await north.delete(`/v1/devices/${id}`),
      ]) {
        expect([id, codeOf(answer)]).toEqual([id, '404 DEVICE_UNKNOWN']);
      }
    }
    expect((await signalbox.admin.get<ShownDevice>('/v1/devices/south-1')).body.tags).toEqual({ site: 'south' });
  });

  it('cannot take over what a device that is gone has left, by its id', async () => {
    const { admin } = signalbox;
    await admin.post('/v1/devices', { id: 'south-gone', tags: { site: 'south' } });
    await admin.post('/v1/devices/south-gone/commands', { type: 'OPEN', params: { pin: 1 } });
    expect((await admin.delete('/v1/devices/south-gone')).status).toBe(204);
    const again = { id: 'south-gone', tags: { site: 'north' } };
    expect(codeOf(await north.post('/v1/devices', again))).toBe('409 DEVICE_EXISTS');
    expect(codeOf(await north.get('/v1/devices/south-gone'))).toBe('404 DEVICE_UNKNOWN');
    expect((await admin.post('/v1/devices', again)).status).toBe(201);
  });

  it('creates only devices that carry them', async () => {
    expect(codeOf(await north.post('/v1/devices', { id: 'x-1' }))).toBe('403 FORBIDDEN');
    expect(codeOf(await north.post('/v1/devices', { id: 'x-1', tags: { site: 'south' } }))).toBe('403 FORBIDDEN');
    expect((await signalbox.admin.get('/v1/devices/x-1')).status).toBe(404);
    const { status, body } = await north.post<CreatedDevice>('/v1/devices', { id: 'x-1', tags: { site: 'north' } });
    expect({ status, tags: body.tags }).toEqual({ status: 201, tags: { site: 'north' } });
    const lines = await north.post<{ created: number; failed: readonly { line: number; code: string }[] }>(
      '/v1/devices/import',
      '{"id": "x-2", "tags": {"site": "south"}}\n{"id": "x-3", "tags": {"site": "north"}}\n{"id": "south-1", "tags": {"site": "north"}}',
      { 'content-type': 'application/x-ndjson' },
    );
    expect(lines.body.created).toBe(1);
    expect(lines.body.failed.map(({ line, code }) => [line, code])).toEqual([
      [1, 'FORBIDDEN'],
      [3, 'DEVICE_EXISTS'],
    ]);
  });

  it('cannot take a device out of them', async () => {
    for (const tags of [{ site: null }, { site: 'south' }, null]) {
      expect(codeOf(await north.patch('/v1/devices/north-1', { tags }))).toBe('403 FORBIDDEN');
    }
    const { body } = await north.patch<ShownDevice>('/v1/devices/north-1', {
      name: 'n',
      tags: { floor: null, row: '2' },
    });
    expect(body).toMatchObject({ name: 'n', tags: { site: 'north', row: '2' } });
    expect((await signalbox.admin.get<ShownDevice>('/v1/devices/north-1')).body.tags).toEqual({
      site: 'north',
      row: '2',
    });
  });

  it('deletes what it sees', async () => {
    await north.post('/v1/devices', { id: 'x-9', tags: { site: 'north' } });
    expect((await north.delete('/v1/devices/x-9')).status).toBe(204);
    expect((await signalbox.admin.get('/v1/devices/x-9')).status).toBe(404);
  });
});

describe('A key without devices:write', () => {
  it('reads, and changes nothing', async () => {
    expect((await reader.get('/v1/devices/south-1')).status).toBe(200);
    for (const answer of [
      await reader.post('/v1/devices', { id: 'w-1' }),
      await reader.post('/v1/devices/import', '{"id": "w-1"}', { 'content-type': 'application/x-ndjson' }),
      await reader.patch('/v1/devices/south-1', { name: 'x' }),
      await reader.post('/v1/devices/south-1/approve', {}),
      await reader.post('/v1/devices/south-1/credentials', {}),
      await reader.delete('/v1/devices/south-1'),
    ]) {
      expect(codeOf(answer)).toBe('403 FORBIDDEN');
    }
    expect((await signalbox.anonymous.get('/v1/devices')).status).toBe(401);
  });
});
