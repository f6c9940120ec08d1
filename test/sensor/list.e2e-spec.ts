import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { SensorResource } from '../../src/sensor/sensor.resource.js';
import { type RejectPage, SensorBox } from './sensor-box.js';

describe('lists of readings and rejects', () => {
  let box: SensorBox;
  beforeAll(async () => {
    box = await SensorBox.start();
  });
  afterAll(async () => {
    await box?.stop();
  });

  it('lists as many readings as are asked for, in order, however large they are', async () => {
    const device = box.newDevice();
    const ts = Date.now() - 1000;
    await box.send(
      device,
      [...Array(250).keys()].map((n) => ({ n, ts: ts + ((n * 7) % 250) })),
    );
    const inOrder = (await box.get<SensorResource[]>(`/sensors?deviceId=${device}&limit=200`)).map(
      ({ timestamp }) => timestamp,
    );
    expect(inOrder).toEqual([...Array(200).keys()].map((i) => new Date(ts + 50 + i).toISOString()));
    const last = await box.get<SensorResource[]>('/sensors?limit=101');
    expect(last.map(({ payload }) => payload)).toEqual([...Array(101).keys()].map((i) => ({ n: 149 + i })));
    expect(await box.get<SensorResource[]>('/sensors?deviceId=nobody&limit=10000')).toEqual([]);
    const wide = Object.fromEntries([...Array(200).keys()].map((n) => [`m${n}`, 'x'.repeat(1000)]));
    for (let n = 0; n < 150; n++) await box.send(device, { ...wide, m0: n });
    const large = await box.get<SensorResource[]>(`/sensors?deviceId=${device}&limit=150`);
    expect(large.map(({ payload }) => (payload as { readonly m0: unknown }).m0)).toEqual([...Array(150).keys()]);
  });

  it('pages through rejects newest first, stable while others come in', async () => {
    const device = box.newDevice();
    await box.send(device, [1, 2, 3, 4, 5]);
    const first = await fetch(`${box.app.httpUrl}/v1/rejects?deviceId=${device}&limit=2`);
    const page = (await first.json()) as RejectPage;
    await box.send(device, 'new');
    const seen = [...page.items];
    let link = /^<(.*)>; rel="next"$/.exec(first.headers.get('link') ?? '')?.[1];
    while (link) {
      const next = await fetch(box.app.httpUrl + link);
      const { items, hasMore, nextCursor } = (await next.json()) as RejectPage;
      expect(hasMore).toBe(nextCursor !== null);
      seen.push(...items);
      link = /^<(.*)>; rel="next"$/.exec(next.headers.get('link') ?? '')?.[1];
    }
    expect(seen.map(({ detail }) => detail.slice(0, 6))).toEqual(['Item 4', 'Item 3', 'Item 2', 'Item 1', 'Item 0']);
    const other = await box.get<{ code: string }>(`/v1/rejects?deviceId=other&cursor=${page.nextCursor}`, 400);
    expect(other.code).toBe('CURSOR_MISMATCH');
  });

  it.each([
    '/sensors?limit=0',
    '/sensors?limit=10001',
    '/sensors?limit=0x10',
    '/sensors?limit=1e3',
    '/sensors?limit=',
    '/sensors?limit=5&limit=6',
    '/sensors?limit=-1',
    '/sensors?deviceId=',
    '/sensors?deviceId=a&deviceId=b',
    '/sensors?device=a',
    '/v1/rejects?limit=1001',
    '/v1/rejects?deviceId=a,,b',
    '/v1/rejects?deviceId=a&deviceId=b',
    '/v1/rejects?code=x',
    '/v1/rejects?cursor=abc',
    '/v1/rejects?cursor=a&cursor=b',
    '/v1/rejects?cursor=',
  ])('refuses %s', async (path) => {
    const problem = await box.get<{ readonly errors: readonly { readonly parameter: string }[] }>(path, 400);
    expect(path).toContain(problem.errors[0]!.parameter);
  });
});
