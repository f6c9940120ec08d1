import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { connectAsync, type MqttClient } from 'mqtt';
import { SensorService } from '../../src/sensor/sensor.service.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';

interface Sensor {
  readonly deviceId: string;
  readonly topic: string;
  readonly payload: unknown;
  readonly timestamp: string;
  readonly receivedAt: string;
}

interface Reject {
  readonly id: string;
  readonly deviceId: string | null;
  readonly topic: string;
  readonly receivedAt: string;
  readonly code: string;
  readonly detail: string;
  readonly payload: string;
  readonly size: number;
}

interface RejectPage {
  readonly items: readonly Reject[];
  readonly nextCursor: string | null;
  readonly hasMore: boolean;
}

describe('telemetry from MQTT to REST', () => {
  let box: TestApp;
  let client: MqttClient;
  const heard: { readonly topic: string; readonly body: unknown }[] = [];
  let devices = 0;

  const newDevice = (): string => `sensor-${++devices}`;
  const publish = (topic: string, payload: unknown, qos: 0 | 1 | 2 = 1) =>
    client.publishAsync(topic, typeof payload === 'string' ? payload : JSON.stringify(payload), { qos });
  const send = (deviceId: string, payload: unknown, qos: 0 | 1 | 2 = 1) =>
    publish(`devices/${deviceId}/up/telemetry`, payload, qos);

  async function get<T>(path: string, status = 200): Promise<T> {
    const response = await fetch(box.httpUrl + path);
    expect(response.status).toBe(status);
    return (await response.json()) as T;
  }
  const sensors = (deviceId: string) => get<Sensor[]>(`/sensors?deviceId=${deviceId}`);
  const payloads = async (deviceId: string) => (await sensors(deviceId)).map(({ payload }) => payload);
  const rejects = async (query: string) => (await get<RejectPage>(`/v1/rejects?${query}`)).items;
  const latest = async (deviceId: string) =>
    Object.fromEntries(
      (await box.database.point.selectFrom('latest').selectAll().where('device_id', '=', deviceId).execute()).map(
        ({ metric, value }) => [metric, JSON.parse(value) as unknown],
      ),
    );

  beforeAll(async () => {
    box = await createTestApp({ MQTT_DEVICE_RATE: '0' });
    client = await connectAsync(box.mqttUrl, { reconnectPeriod: 0 });
    client.on('message', (topic, payload) => heard.push({ topic, body: JSON.parse(payload.toString()) as unknown }));
    await client.subscribeAsync('devices/+/down/#');
  });

  afterAll(async () => {
    await client?.endAsync();
    await box?.close();
  });

  it.each([0, 1, 2] as const)('shows a reading sent with QoS %i', async (qos) => {
    const device = newDevice();
    await send(device, { temperature: 21.5, humidity: 40 }, qos);
    const [shown] = await eventually('the reading is stored', async () => {
      const list = await sensors(device);
      return list.length > 0 && list;
    });
    expect(shown).toEqual({
      deviceId: device,
      topic: `devices/${device}/up/telemetry`,
      payload: { temperature: 21.5, humidity: 40 },
      timestamp: shown!.receivedAt,
      receivedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    });
  });

  it('shows an acknowledged reading in the very next request', async () => {
    const device = newDevice();
    for (let n = 0; n < 20; n++) {
      await send(device, { n });
      expect((await get<Sensor[]>('/sensors?limit=1'))[0]!.payload).toEqual({ n });
      expect(await latest(device)).toEqual({ n });
    }
  });

  it.each([[{ data: 1, unit: 'C' }], [{ id: 'x', data: 1 }], [{ pattern: 'p', value: 2 }]])(
    'stores %j whole and answers nothing',
    async (payload) => {
      const device = newDevice();
      await send(device, payload);
      expect(await payloads(device)).toEqual([payload]);
      expect(heard.filter(({ topic }) => topic.includes(device))).toEqual([]);
    },
  );

  it('reads metric topics, foreign topics, SenML and events', async () => {
    const device = newDevice();
    await publish(`devices/${device}/up/telemetry/temperature`, '21.5');
    await publish(`poc/${device}/sensor`, { humidity: 40 });
    await send(device, [{ bn: 'x/', n: 'a', u: 'Cel', v: 1 }]);
    await publish(`devices/${device}/up/events/door`, '{ "open":true }');
    expect(await payloads(device)).toEqual([{ temperature: 21.5 }, { humidity: 40 }, { 'x/a': 1 }]);
    const { point } = box.database;
    expect(await point.selectFrom('units').selectAll().where('device_id', '=', device).execute()).toEqual([
      { device_id: device, metric: 'x/a', unit: 'Cel' },
    ]);
    expect(await point.selectFrom('events').select(['type', 'body']).where('device_id', '=', device).execute()).toEqual(
      [{ type: 'door', body: '{ "open":true }' }],
    );
  });

  it('stores a reading once that is sent again with its id or ts, and counts conflicts', async () => {
    const device = newDevice();
    const before = box.app.get(SensorService).counts;
    const ts = Date.now() - 1000;
    const payload = [
      { values: { a: 1 }, id: 'x' },
      { values: { a: 2 }, id: 'x', ts },
      { values: { a: 3 }, seq: 1, ts },
      { a: 4, ts },
      { a: 5 },
    ];
    await send(device, payload);
    await send(device, payload);
    await send(device, { values: { a: 9 }, id: 'x' });
    expect(await payloads(device)).toHaveLength(6);
    const after = box.app.get(SensorService).counts;
    expect(after.stored - before.stored).toBe(6);
    expect(after.duplicates - before.duplicates).toBe(5);
    expect(after.conflicts - before.conflicts).toBe(1);
  });

  it('moves the latest value only to a newer ts, and lists a device by ts', async () => {
    const device = newDevice();
    const now = Date.now();
    for (const [t, ts] of [
      [2, now - 2000],
      [1, now - 3000],
      [3, now - 2000],
      [null, now],
    ] as const) {
      await send(device, { t, ts });
    }
    expect(await latest(device)).toEqual({ t: 2 });
    expect(await payloads(device)).toEqual([{ t: 1 }, { t: 2 }, { t: 3 }, { t: null }]);
  });

  it('lists as many readings as are asked for, in order, and large ones without holding them all', async () => {
    const device = newDevice();
    const ts = Date.now() - 1000;
    await send(
      device,
      [...Array(250).keys()].map((n) => ({ n, ts: ts + ((n * 7) % 250) })),
    );
    const inOrder = (await get<Sensor[]>(`/sensors?deviceId=${device}&limit=200`)).map(({ timestamp }) => timestamp);
    expect(inOrder).toEqual([...Array(200).keys()].map((i) => new Date(ts + 50 + i).toISOString()));
    const last = await get<Sensor[]>('/sensors?limit=101');
    expect(last.map(({ payload }) => payload)).toEqual([...Array(101).keys()].map((i) => ({ n: 149 + i })));
    expect(await get<Sensor[]>('/sensors?deviceId=nobody&limit=10000')).toEqual([]);
    const wide = Object.fromEntries([...Array(200).keys()].map((n) => [`m${n}`, 'x'.repeat(1000)]));
    for (let n = 0; n < 150; n++) await send(device, { ...wide, m0: n });
    const large = await get<Sensor[]>(`/sensors?deviceId=${device}&limit=150`);
    expect(large.map(({ payload }) => (payload as { readonly m0: unknown }).m0)).toEqual([...Array(150).keys()]);
  });

  it('answers a message that asked, after the commit', async () => {
    const device = newDevice();
    await send(device, [{ values: { a: 1 }, id: 'q1', ack: true }, { values: { a: 1 }, id: 'q1' }, {}]);
    const answer = await eventually('the answer', () =>
      heard.find(({ topic }) => topic === `devices/${device}/down/acks`),
    );
    expect(answer.body).toEqual({
      id: 'q1',
      stored: 1,
      duplicates: 1,
      rejected: [{ index: 2, code: 'EMPTY', detail: expect.stringContaining('Item 2') }],
    });
  });

  it('keeps a reject with its reason, tells the device, and acknowledges', async () => {
    const device = newDevice();
    const payload = `{"values": {"a": "${'x'.repeat(2000)}"}, "id": "r1"}`;
    await send(device, payload);
    const [reject] = await rejects(`deviceId=${device}`);
    expect(reject).toMatchObject({ topic: `devices/${device}/up/telemetry`, code: 'BAD_VALUE', size: payload.length });
    expect(Buffer.from(reject!.payload, 'base64').toString()).toBe(payload.slice(0, 1024));
    const told = await eventually('the device is told', () =>
      heard.find(({ topic }) => topic === `devices/${device}/down/errors`),
    );
    expect(told.body).toEqual({ code: 'BAD_VALUE', detail: reject!.detail, ref: 'r1' });
  });

  it('tells a device of one reject a second, and a foreign device of none', async () => {
    const [device, foreign] = [newDevice(), newDevice()];
    await Promise.all([1, 2, 3, 4, 5].map(() => send(device, 'x')));
    await publish(`poc/${foreign}/sensor`, 'x');
    await publish(`poc/${foreign}/sensor`, { values: { a: 1 }, ack: true });
    // This answer goes out after all the others would have.
    await send(device, { values: { a: 1 }, ack: true });
    await eventually('the last answer', () => heard.find(({ topic }) => topic === `devices/${device}/down/acks`));
    expect(heard.filter(({ topic }) => topic === `devices/${device}/down/errors`)).toHaveLength(1);
    expect(heard.filter(({ topic }) => topic.includes(`/${foreign}/`))).toEqual([]);
    expect(await rejects(`deviceId=${device},${foreign}&code=NOT_JSON`)).toHaveLength(6);
  });

  it('rejects unknown topics and topics without a device id', async () => {
    const device = newDevice();
    await publish(`devices/${device}/up/telemetri`, { a: 1 });
    await publish('devices/-bad-/up/telemetry', { a: 1 });
    expect(await rejects(`deviceId=${device}`)).toMatchObject([{ code: 'UNKNOWN_TOPIC' }]);
    expect((await rejects('code=BAD_DEVICE_ID'))[0]).toMatchObject({
      deviceId: null,
      topic: 'devices/-bad-/up/telemetry',
    });
  });

  it('pages through rejects newest first, stable while others come in', async () => {
    const device = newDevice();
    await send(device, [1, 2, 3, 4, 5]);
    const first = await fetch(`${box.httpUrl}/v1/rejects?deviceId=${device}&limit=2`);
    const page = (await first.json()) as RejectPage;
    await send(device, 'new');
    const seen = [...page.items];
    let link = /^<(.*)>; rel="next"$/.exec(first.headers.get('link') ?? '')?.[1];
    while (link) {
      const next = await fetch(box.httpUrl + link);
      const { items, hasMore, nextCursor } = (await next.json()) as RejectPage;
      expect(hasMore).toBe(nextCursor !== null);
      seen.push(...items);
      link = /^<(.*)>; rel="next"$/.exec(next.headers.get('link') ?? '')?.[1];
    }
    expect(seen.map(({ detail }) => detail.slice(0, 6))).toEqual(['Item 4', 'Item 3', 'Item 2', 'Item 1', 'Item 0']);
    const other = await get<{ code: string }>(`/v1/rejects?deviceId=other&cursor=${page.nextCursor}`, 400);
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
    const problem = await get<{ readonly errors: readonly { readonly parameter: string }[] }>(path, 400);
    expect(path).toContain(problem.errors[0]!.parameter);
  });

  it('accounts for every reading of any mix of payloads', async () => {
    const service = box.app.get(SensorService);
    const item = fc.oneof(
      fc.record({ a: fc.integer({ min: 0, max: 3 }) }),
      fc.record({ a: fc.integer({ min: 0, max: 1 }), ts: fc.constantFrom(Date.now() - 5000, 5, 'x') }),
      fc.record({ values: fc.record({ a: fc.integer() }), id: fc.constantFrom('i', 'j', 5) }),
      fc.jsonValue({ maxDepth: 2 }),
    );
    const payload = fc.oneof(
      item.map((value) => ({ text: JSON.stringify(value), items: 1 })),
      fc
        .array(item, { minLength: 1, maxLength: 8 })
        .filter(([first]) => !(typeof first === 'object' && first !== null && ('n' in first || 'bn' in first)))
        .map((items) => ({ text: JSON.stringify(items), items: items.length })),
      fc.string().map((text) => ({ text: `{${text}`, items: 1 })),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(payload, { minLength: 1, maxLength: 20 }), async (messages) => {
        const device = newDevice();
        const before = service.counts;
        // A lone array is an array of items to the gateway, whatever made it.
        const items = messages.map(({ text, items: n }) => {
          try {
            const value = JSON.parse(text) as unknown;
            return Array.isArray(value) ? Math.max(value.length, 1) : n;
          } catch {
            return 1;
          }
        });
        await Promise.all(messages.map(({ text }) => send(device, text)));
        const after = service.counts;
        const change = (name: keyof typeof after) => after[name] - before[name];
        expect(change('received')).toBe(items.reduce((sum, n) => sum + n, 0));
        expect(change('received')).toBe(change('stored') + change('duplicates') + change('rejected'));
        const stored = await box.database.point
          .selectFrom('readings')
          .select(({ fn }) => fn.countAll().as('n'))
          .where('device_id', '=', device)
          .executeTakeFirstOrThrow();
        expect(Number(stored.n)).toBe(change('stored'));
        expect(await rejects(`deviceId=${device}&limit=1000`)).toHaveLength(change('rejected'));
      }),
      { numRuns: 40 },
    );
  });
});
