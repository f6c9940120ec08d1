import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createTestApp, type TestApp } from '../support/app.js';
import { type Requests, requestsWith } from '../support/access.js';
import type { ProblemBody } from '../support/http.js';
import { connectDevice } from '../support/mqtt.js';
import { type DevicePage, idsOf } from './registry-box.js';

let signalbox: TestApp;
let api: Requests;
beforeAll(async () => {
  signalbox = await createTestApp();
  api = requestsWith(signalbox.httpUrl, {});
  const devices = [
    { id: 'a-1', name: 'Boiler 100%', type: 'boiler', tags: { site: 'north', floor: '1' } },
    { id: 'a-2', name: 'boiler_2', type: 'boiler', tags: { site: 'south', floor: '1' } },
    { id: 'B-3', name: 'Ölpumpe', type: 'pump', tags: { site: 'north', note: 'a:b, c' } },
    { id: 'b-4', type: 'valve', tags: { site: 'north', floor: '2' } },
  ];
  for (const device of devices) await api.post('/v1/devices', device);
});
afterAll(async () => {
  await signalbox.close();
});

const found = async (query: string) => (await idsOf(api, query)).flat();

describe('GET /v1/devices', () => {
  it('lists the newest first', async () => {
    expect(await found('limit=100')).toEqual(['b-4', 'B-3', 'a-2', 'a-1']);
    expect(await idsOf(api, 'limit=3')).toEqual([['b-4', 'B-3', 'a-2'], ['a-1']]);
    expect(await idsOf(api, 'limit=2')).toEqual([
      ['b-4', 'B-3'],
      ['a-2', 'a-1'],
    ]);
  });

  it.each([
    ['q=BOILER', ['a-2', 'a-1']],
    ['q=b', ['b-4', 'B-3', 'a-2', 'a-1']],
    ['q=b-', ['b-4', 'B-3']],
    ['q=100%25', ['a-1']],
    ['q=r_2', ['a-2']],
    ['q=.*', []],
    ['q=(a%2B)%2B$', []],
    ['q=%C3%96lp', ['B-3']],
    ['q=%C3%B6lp', []],
    ["q='%20or%201=1--", []],
    ['type=boiler', ['a-2', 'a-1']],
    ['type=pump,valve', ['b-4', 'B-3']],
    ['tag=site:north', ['b-4', 'B-3', 'a-1']],
    ['tag=site:north&tag=floor:1', ['a-1']],
    ['tag=floor:1&tag=floor:2', []],
    ['tag=note:a:b,%20c', ['B-3']],
    ['tag=site:north&q=b&type=valve', ['b-4']],
    ['presence=never', ['b-4', 'B-3', 'a-2', 'a-1']],
    ['presence=online,offline', []],
  ])('%s', async (query, ids) => {
    expect(await found(query)).toEqual(ids);
    expect((await idsOf(api, `${query}&limit=1`)).flat()).toEqual(ids);
  });

  it.each([
    'limit=0',
    'limit=1001',
    'limit=0x10',
    'q=',
    `q=${'x'.repeat(129)}`,
    'q=a%00b',
    'tag=north',
    'tag=site:',
    'tag=a%20b:c',
    'type=a,,b',
    'presence=there',
    'q=a&q=b',
    'type=a&type=b',
    'presence=never&presence=online',
    'sort=id',
    'cursor=nonsense',
  ])('refuses ?%s', async (query) => {
    const { status, body } = await api.get<ProblemBody>(`/v1/devices?${query}`);
    expect(status).toBe(400);
    expect(body.errors?.[0]?.parameter).toBe(query.split('=')[0]);
  });

  it('has cursors that are bound to their filters, and a Link to the next page', async () => {
    const { body, headers } = await api.get<DevicePage>('/v1/devices?limit=1&tag=site:north');
    const link = headers.get('link')!;
    expect(link).toContain(`cursor=${body.nextCursor}`);
    const next = /<(.*)>; rel="next"/.exec(link)![1]!;
    expect((await api.get<DevicePage>(next)).body.items.map(({ id }) => id)).toEqual(['B-3']);
    for (const other of ['', '&tag=site:south', '&tag=site:north&q=b', '&tag=site:north&presence=never']) {
      const answer = await api.get<ProblemBody>(`/v1/devices?limit=1&cursor=${body.nextCursor}${other}`);
      expect(answer.body.code).toBe('CURSOR_MISMATCH');
    }
    const { nextCursor } = (await api.get<DevicePage>('/v1/devices?type=pump,valve&limit=1')).body;
    expect((await api.get(`/v1/devices?type=valve,pump&limit=1&cursor=${nextCursor}`)).status).toBe(200);
  });

  it('tells presence as it is now, over pages that may be shorter', async () => {
    const device = await connectDevice(signalbox.mqttUrl, { clientId: 'a-2' });
    await device.publish('devices/a-2/up/status', '{"online": true}', { retain: true });
    expect(await found('presence=online')).toEqual(['a-2']);
    expect((await idsOf(api, 'presence=online&limit=1')).flat()).toEqual(['a-2']);
    expect((await idsOf(api, 'presence=never&limit=2')).flat()).toEqual(['b-4', 'B-3', 'a-1']);
    await device.end();
  });

  it('shows every device once that was there when the reading began, whatever is created meanwhile', async () => {
    let run = 0;
    const actions = fc.array(
      fc.record({ limit: fc.integer({ min: 1, max: 4 }), creates: fc.integer({ min: 0, max: 3 }) }),
      {
        minLength: 12,
        maxLength: 12,
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 8 }), actions, async (there, steps) => {
        const site = `s${run++}`;
        const create = (n: number) => api.post('/v1/devices', { id: `p${site}-${n}`, tags: { site } });
        for (let i = 0; i < there; i++) await create(i);
        const seen: string[] = [];
        let created = there;
        let cursor: string | null = '';
        for (const { limit, creates } of steps) {
          if (cursor === null) break;
          const after: string = cursor === '' ? '' : `&cursor=${cursor}`;
          const { body } = await api.get<DevicePage>(`/v1/devices?tag=site:${site}&limit=${limit}${after}`);
          seen.push(...body.items.map(({ id }) => id));
          expect(body.hasMore).toBe(body.nextCursor !== null);
          cursor = body.nextCursor;
          for (let i = 0; i < creates; i++) await create(created++);
        }
        expect(cursor).toBeNull();
        expect(seen).toHaveLength(new Set(seen).size);
        const first = Array.from({ length: there }, (_, i) => `p${site}-${i}`);
        expect(first.filter((id) => !seen.includes(id))).toEqual([]);
      }),
      { numRuns: 15 },
    );
  });
});
