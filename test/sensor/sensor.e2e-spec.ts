import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { SensorResource } from '../../src/sensor/sensor.resource.js';
import { SensorService } from '../../src/sensor/sensor.service.js';
import { eventually } from '../support/eventually.js';
import { SensorBox } from './sensor-box.js';

describe('telemetry from MQTT to REST', () => {
  let box: SensorBox;
  beforeAll(async () => {
    box = await SensorBox.start();
  });
  afterAll(async () => {
    await box?.stop();
  });

  it.each([0, 1, 2] as const)('shows a reading sent with QoS %i', async (qos) => {
    const device = box.newDevice();
    await box.send(device, { temperature: 21.5, humidity: 40 }, qos);
    const [shown] = await eventually('the reading is stored', async () => {
      const list = await box.get<SensorResource[]>(`/sensors?deviceId=${device}`);
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
    const device = box.newDevice();
    for (let n = 0; n < 20; n++) {
      await box.send(device, { n });
      expect((await box.get<SensorResource[]>('/sensors?limit=1'))[0]!.payload).toEqual({ n });
      expect(await box.latest(device)).toEqual({ n });
    }
  });

  it.each([[{ data: 1, unit: 'C' }], [{ id: 'x', data: 1 }], [{ pattern: 'p', value: 2 }]])(
    'stores %j whole and answers nothing',
    async (payload) => {
      const device = box.newDevice();
      await box.send(device, payload);
      expect(await box.payloads(device)).toEqual([payload]);
      expect(box.heard.filter(({ topic }) => topic.includes(device))).toEqual([]);
    },
  );

  it('reads metric topics, foreign topics, SenML and events', async () => {
    const device = box.newDevice();
    await box.publish(`devices/${device}/up/telemetry/temperature`, '21.5');
    await box.publish(`poc/${device}/sensor`, { humidity: 40 });
    await box.send(device, [{ bn: 'x/', n: 'a', u: 'Cel', v: 1 }]);
    await box.publish(`devices/${device}/up/events/door`, '{ "open":true }');
    expect(await box.payloads(device)).toEqual([{ temperature: 21.5 }, { humidity: 40 }, { 'x/a': 1 }]);
    const { point } = box.app.database;
    expect(await point.selectFrom('units').selectAll().where('device_id', '=', device).execute()).toEqual([
      { device_id: device, metric: 'x/a', unit: 'Cel' },
    ]);
    expect(await point.selectFrom('events').select(['type', 'body']).where('device_id', '=', device).execute()).toEqual(
      [{ type: 'door', body: '{ "open":true }' }],
    );
  });

  it('stores a reading once that is sent again with its id or ts, and counts conflicts', async () => {
    const device = box.newDevice();
    const before = box.app.app.get(SensorService).counts;
    const ts = Date.now() - 1000;
    const payload = [
      { values: { a: 1 }, id: 'x' },
      { values: { a: 2 }, id: 'x', ts },
      { values: { a: 3 }, seq: 1, ts },
      { a: 4, ts },
      { a: 5 },
    ];
    await box.send(device, payload);
    await box.send(device, payload);
    await box.send(device, { values: { a: 9 }, id: 'x' });
    expect(await box.payloads(device)).toHaveLength(6);
    const after = box.app.app.get(SensorService).counts;
    expect(after.stored - before.stored).toBe(6);
    expect(after.duplicates - before.duplicates).toBe(5);
    expect(after.conflicts - before.conflicts).toBe(1);
  });

  it('moves the latest value only to a newer ts, and lists a device by ts', async () => {
    const device = box.newDevice();
    const now = Date.now();
    for (const [t, ts] of [
      [2, now - 2000],
      [1, now - 3000],
      [3, now - 2000],
      [null, now],
    ] as const) {
      await box.send(device, { t, ts });
    }
    expect(await box.latest(device)).toEqual({ t: 2 });
    expect(await box.payloads(device)).toEqual([{ t: 1 }, { t: 2 }, { t: 3 }, { t: null }]);
  });

  it('answers a message that asked, after the commit', async () => {
    const device = box.newDevice();
    await box.send(device, [{ values: { a: 1 }, id: 'q1', ack: true }, { values: { a: 1 }, id: 'q1' }, {}]);
    expect(await box.told(device, 'acks')).toEqual({
      id: 'q1',
      stored: 1,
      duplicates: 1,
      rejected: [{ index: 2, code: 'EMPTY', detail: expect.stringContaining('Item 2') }],
    });
  });

  it('keeps a reject with its reason, tells the device, and acknowledges', async () => {
    const device = box.newDevice();
    const payload = `{"values": {"a": "${'x'.repeat(2000)}"}, "id": "r1"}`;
    await box.send(device, payload);
    const [reject] = await box.rejects(`deviceId=${device}`);
    expect(reject).toMatchObject({ topic: `devices/${device}/up/telemetry`, code: 'BAD_VALUE', size: payload.length });
    expect(Buffer.from(reject!.payload, 'base64').toString()).toBe(payload.slice(0, 1024));
    expect(await box.told(device, 'errors')).toEqual({ code: 'BAD_VALUE', detail: reject!.detail, ref: 'r1' });
  });

  it('tells a device of one reject a second, and a foreign device of none', async () => {
    const [device, foreign] = [box.newDevice(), box.newDevice()];
    await Promise.all([1, 2, 3, 4, 5].map(() => box.send(device, 'x')));
    await box.publish(`poc/${foreign}/sensor`, 'x');
    await box.publish(`poc/${foreign}/sensor`, { values: { a: 1 }, ack: true });
    // This answer goes out after all the others would have.
    await box.send(device, { values: { a: 1 }, ack: true });
    await box.told(device, 'acks');
    expect(box.heard.filter(({ topic }) => topic === `devices/${device}/down/errors`)).toHaveLength(1);
    expect(box.heard.filter(({ topic }) => topic.includes(`/${foreign}/`))).toEqual([]);
    expect(await box.rejects(`deviceId=${device},${foreign}&code=NOT_JSON`)).toHaveLength(6);
  });

  it('rejects unknown topics and topics without a device id', async () => {
    const device = box.newDevice();
    await box.publish(`devices/${device}/up/telemetri`, { a: 1 });
    await box.publish('devices/-bad-/up/telemetry', { a: 1 });
    expect(await box.rejects(`deviceId=${device}`)).toMatchObject([{ code: 'UNKNOWN_TOPIC' }]);
    expect((await box.rejects('code=BAD_DEVICE_ID'))[0]).toMatchObject({
      deviceId: null,
      topic: 'devices/-bad-/up/telemetry',
    });
  });
});
