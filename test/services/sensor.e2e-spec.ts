import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { MqttClient } from 'mqtt';
import { newId } from '../../src/common/ids.js';
import type { LatestResource, ReadingResource } from '../../src/sensor/sensor.resource.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { connectMqtt } from '../support/mqtt.js';
import { eventually } from '../support/eventually.js';
import { NestClient } from './nest-client.js';
import { publishStored } from './stored.js';

interface Page {
  readonly items: readonly ReadingResource[];
  readonly nextCursor: string | null;
  readonly hasMore: boolean;
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
/** A minute ago, so that nothing is historical by its age. */
const START = Date.now() - 60_000;
const at = (i: number) => new Date(START + i).toISOString();

let signalbox: TestApp;
let service: NestClient;
let device: MqttClient;
beforeAll(async () => {
  signalbox = await createTestApp({ MQTT_DEVICE_RATE: '0' });
  [service, device] = await Promise.all([NestClient.connect(signalbox.mqttUrl), connectMqtt(signalbox.mqttUrl)]);
});
afterAll(async () => {
  await device.endAsync();
  await service.close();
  await signalbox.close();
});

const newDevice = () => `device-${newId()}`;
const publish = (deviceId: string, payload: unknown) => publishStored(signalbox, device, deviceId, payload);
const latest = (deviceId: string) => service.send<LatestResource>('services/sensor/latest', { deviceId });
const history = (data: object) => service.send<Page>('services/sensor/history', data);
const refused = (data: unknown) => service.refused('services/sensor/history', data);

/** All pages from the first on. */
async function pages(data: object): Promise<Page[]> {
  const all = [await history(data)];
  for (let { nextCursor } = all[0]!; nextCursor !== null; { nextCursor } = all.at(-1)!) {
    all.push(await history({ ...data, cursor: nextCursor }));
  }
  expect(all.map(({ hasMore }) => hasMore)).toEqual([...Array.from({ length: all.length - 1 }, () => true), false]);
  return all;
}
const times = (all: readonly Page[]) => all.flatMap(({ items }) => items.map(({ ts }) => Date.parse(ts) - START));

describe('services/sensor/latest', () => {
  it('gives the newest value of each metric, with the times of its reading', async () => {
    const deviceId = newDevice();
    await publish(deviceId, [
      { ts: START, t: 20, door: 'shut', gps: { lat: 1.5 } },
      { ts: START + 1, t: 21, gone: null },
      { ts: START - 1, t: 19 },
    ]);
    const answer = await latest(deviceId);
    const receivedAt = expect.stringMatching(TIME);
    expect(answer).toEqual({
      deviceId,
      metrics: {
        t: { value: 21, ts: at(1), receivedAt },
        door: { value: 'shut', ts: at(0), receivedAt },
        'gps.lat': { value: 1.5, ts: at(0), receivedAt },
      },
    });
  });

  it('is DEVICE_UNKNOWN for a device never seen, and empty for one without readings', async () => {
    expect(await service.refused('services/sensor/latest', { deviceId: newDevice() })).toMatchObject({
      code: 'DEVICE_UNKNOWN',
      status: 404,
    });
    const deviceId = newDevice();
    await device.publishAsync(`devices/${deviceId}/up/status`, '{"online": true}', { qos: 1 });
    await eventually('the device is known', async () => (await latest(deviceId)).deviceId === deviceId);
    expect(await latest(deviceId)).toEqual({ deviceId, metrics: {} });
    expect(await history({ deviceId })).toEqual({ items: [], nextCursor: null, hasMore: false });
  });
});

describe('services/sensor/history', () => {
  const deviceId = newDevice();
  beforeAll(async () => {
    // Stored in another order than that of their times, and many of one time.
    await publish(
      deviceId,
      Array.from({ length: 250 }, (_, i) => {
        const n = (i * 97) % 250;
        return { ts: START + Math.floor(n / 5), seq: n, values: { n, ...(n % 10 === 0 ? { ten: { n } } : {}) } };
      }),
    );
  });

  it('shows readings as they were sent', async () => {
    const one = newDevice();
    await publish(one, { ts: START, id: 'a', seq: 7, historical: true, values: { gps: { lat: 1.5 }, t: null } });
    await publish(one, { id: 'b', values: { t: 2 } });
    await publish(one, { t: 3 });
    const { items } = await history({ deviceId: one, order: 'received' });
    const common = { deviceId: one, receivedAt: expect.stringMatching(TIME), topic: `devices/${one}/up/telemetry` };
    const ts = expect.stringMatching(TIME);
    expect(items).toEqual([
      { ...common, ts: at(0), values: { gps: { lat: 1.5 }, t: null }, id: 'a', seq: 7, historical: true },
      { ...common, ts, values: { t: 2 }, id: 'b' },
      { ...common, ts, values: { t: 3 } },
    ]);
  });

  it('has 100 in a page, newest first, where nothing else is asked for', async () => {
    const all = await pages({ deviceId });
    expect(all.map(({ items }) => items.length)).toEqual([100, 100, 50]);
    expect(times(all)).toEqual(Array.from({ length: 250 }, (_, i) => 49 - Math.floor(i / 5)));
    expect(new Set(all.flatMap(({ items }) => items.map(({ seq }) => seq))).size).toBe(250);
  });

  it('pages by time and by arrival, without a gap or a double, also where a page ends amid equal times', async () => {
    const ascending = await pages({ deviceId, order: 'asc', limit: 7 });
    expect(times(ascending)).toEqual(Array.from({ length: 250 }, (_, i) => Math.floor(i / 5)));
    const received = await pages({ deviceId, order: 'received', limit: 99 });
    expect(received.flatMap(({ items }) => items.map(({ seq }) => seq))).toEqual(
      Array.from({ length: 250 }, (_, i) => (i * 97) % 250),
    );
    expect((await pages({ deviceId, limit: 250 })).length).toBe(1);
  });

  it('is stable while readings come in', async () => {
    const growing = newDevice();
    const reading = (i: number) => ({ ts: START + i, i });
    await publish(growing, [1, 2, 3, 4].map(reading));
    const first = await history({ deviceId: growing, limit: 2 });
    await publish(growing, [5, 0].map(reading));
    const second = await history({ deviceId: growing, limit: 10, cursor: first.nextCursor });
    expect(times([first, second])).toEqual([4, 3, 2, 1, 0]);
  });

  it('takes from and to as [from, to), as RFC 3339 or epoch milliseconds', async () => {
    const range = { deviceId, order: 'asc', limit: 1_000 };
    const expected = Array.from({ length: 10 }, (_, i) => 10 + Math.floor(i / 5));
    expect(times([await history({ ...range, from: START + 10, to: START + 12 })])).toEqual(expected);
    const zoned = new Date(START + 12 + 7_200_000).toISOString().replace('Z', '+02:00');
    expect(times([await history({ ...range, from: at(10), to: zoned })])).toEqual(expected);
    expect((await history({ ...range, from: START + 10, to: START + 10 })).items).toEqual([]);
  });

  it('shows only the metrics asked for, and leaves readings without any of them out', async () => {
    const tens = await pages({ deviceId, metrics: ['ten.n'], order: 'asc', limit: 10 });
    expect(tens.map(({ items }) => items.length)).toEqual([10, 10, 5]);
    expect(tens.flatMap(({ items }) => items.map(({ values }) => values))).toEqual(
      expect.arrayContaining(Array.from({ length: 25 }, (_, i) => ({ ten: { n: i * 10 } }))),
    );
    const both = await history({ deviceId, metrics: 'ten.n,n', limit: 250 });
    expect(both.items).toHaveLength(250);
    expect((await history({ deviceId, metrics: ['none'] })).items).toEqual([]);
  });

  it('binds a cursor to its filters, but not to the limit', async () => {
    const { nextCursor: cursor } = await history({ deviceId, limit: 10 });
    expect(await history({ deviceId, limit: 20, cursor })).toMatchObject({ items: { length: 20 } });
    for (const other of [{ order: 'asc' }, { metrics: ['n'] }, { from: START }, { to: START }, { deviceId: 'other' }]) {
      expect(await refused({ deviceId, cursor, ...other })).toMatchObject({
        code: 'CURSOR_MISMATCH',
        errors: [{ pointer: '/cursor' }],
      });
    }
    expect(await refused({ deviceId, cursor: 'x' })).toMatchObject({ code: 'BAD_CURSOR', status: 400 });
  });

  it('answers with smaller pages what would not fit into one message, and misses nothing', async () => {
    const large = newDevice();
    for (let i = 0; i < 12; i++) {
      const texts = Array.from({ length: 60 }, (_, n) => [`m${n}`, `${i} ${'x'.repeat(900)}`]);
      await publish(large, { ts: START + i, values: Object.fromEntries(texts) as object });
    }
    const all = await pages({ deviceId: large, limit: 10_000, order: 'asc' });
    expect(times(all)).toEqual(Array.from({ length: 12 }, (_, i) => i));
    expect(all.length).toBeGreaterThan(2);
    expect((await pages({ deviceId: large, limit: 10_000, metrics: ['m1'] })).length).toBe(1);
  });

  it.each([
    [{}, '/deviceId'],
    [{ limit: 0 }, '/limit'],
    [{ limit: 10_001 }, '/limit'],
    [{ limit: '10' }, '/limit'],
    [{ limit: 1.5 }, '/limit'],
    [{ order: 'newest' }, '/order'],
    [{ from: 'yesterday' }, '/from'],
    [{ from: '2024-11-20T12:00:00' }, '/from'],
    [{ to: null }, '/to'],
    [{ metrics: [] }, '/metrics'],
    [{ metrics: [7] }, '/metrics'],
    [{ metrics: 'a,,b' }, '/metrics'],
    [{ bucket: '5m' }, '/bucket'],
  ])('refuses %j', async (data, pointer) => {
    const given = pointer === '/deviceId' ? data : { deviceId, ...data };
    expect(await refused(given)).toMatchObject({ code: 'VALIDATION_FAILED', errors: [{ pointer }] });
  });

  it('refuses a from behind the to, and a device never seen', async () => {
    expect(await refused({ deviceId, from: START + 1, to: START })).toMatchObject({ code: 'BAD_RANGE', status: 400 });
    expect(await refused({ deviceId: newDevice() })).toMatchObject({ code: 'DEVICE_UNKNOWN', status: 404 });
  });
});
