import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/common/ids.js';
import type { RecordResult } from '../../src/sensor/record-request.js';
import type { RejectResource, SensorResource } from '../../src/sensor/sensor.resource.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { get } from '../support/http.js';
import { connectMqtt, listenTo } from '../support/mqtt.js';
import { NestClient } from './nest-client.js';
import { publishStored } from './stored.js';

interface Health {
  readonly readings: Readonly<Record<string, number>>;
  readonly services: Readonly<Record<string, number>>;
}

const TOPIC = 'services/sensor/record';

let signalbox: TestApp;
let service: NestClient;
beforeAll(async () => {
  signalbox = await createTestApp({ MQTT_DEVICE_RATE: '0' });
  service = await NestClient.connect(signalbox.mqttUrl);
});
afterAll(async () => {
  await service.close();
  await signalbox.close();
});

const newDevice = () => `device-${newId()}`;
const record = (data: unknown) => service.send<RecordResult>(TOPIC, data);
const health = async () => (await get<Health>(`${signalbox.httpUrl}/health`)).body;
const sensors = async (deviceId: string) =>
  (await get<SensorResource[]>(`${signalbox.httpUrl}/sensors?limit=10000&deviceId=${deviceId}`)).body;
const rejects = async (query: string) =>
  (await get<{ items: RejectResource[] }>(`${signalbox.httpUrl}/v1/rejects?${query}`)).body.items;

describe('services/sensor/record', () => {
  it('stores a reading and says so; the same one again is a duplicate', async () => {
    const data = { deviceId: newDevice(), values: { t: 21.5 }, ts: Date.now(), id: 'a', seq: 1 };
    expect(await record(data)).toEqual({ stored: 1, duplicates: 0, rejected: [] });
    expect(await record(data)).toEqual({ stored: 0, duplicates: 1, rejected: [] });
    expect(await sensors(data.deviceId)).toMatchObject([{ payload: { t: 21.5 }, topic: TOPIC }]);
  });

  it('stores what is emitted', async () => {
    const deviceId = newDevice();
    await service.emit(TOPIC, { deviceId, values: { t: 1 } });
    await eventually('the reading is there', async () => (await sensors(deviceId)).length === 1);
  });

  it('judges each reading of an array alone, and keeps those that can never be stored', async () => {
    const deviceId = newDevice();
    const before = await health();
    const answer = await record([
      { deviceId, values: { t: 1 } },
      { deviceId, values: { t: 2 }, temperature: 2 },
      { deviceId, t: 3 },
      { values: { t: 4 } },
      { deviceId: 'a/b', values: { t: 5 } },
      { deviceId, values: {} },
      7,
      { deviceId, values: { t: 'x\u0000' } },
      { deviceId, values: { t: 8 }, ts: 1_700_000_000 },
      { deviceId: newDevice(), values: { t: 9 } },
    ]);
    expect(answer).toMatchObject({ stored: 2, duplicates: 0 });
    expect(answer.rejected.map(({ index, code }) => [index, code])).toEqual([
      [1, 'UNKNOWN_FIELD'],
      [2, 'BAD_FIELD'],
      [3, 'BAD_DEVICE_ID'],
      [4, 'BAD_DEVICE_ID'],
      [5, 'EMPTY'],
      [6, 'NOT_AN_OBJECT'],
      [7, 'BAD_VALUE'],
      [8, 'BAD_TIMESTAMP'],
    ]);
    const kept = await rejects(`deviceId=${deviceId}`);
    expect(kept.map(({ code, topic }) => [code, topic]).toSorted()).toEqual(
      ['BAD_FIELD', 'BAD_TIMESTAMP', 'BAD_VALUE', 'EMPTY', 'UNKNOWN_FIELD'].map((code) => [code, TOPIC]),
    );
    const { readings } = await health();
    expect(readings['received']! - before.readings['received']!).toBe(10);
    expect(readings['rejected']! - before.readings['rejected']!).toBe(8);
    expect(readings['received']).toBe(
      readings['stored']! + readings['duplicates']! + readings['rejected']! + readings['notAcknowledged']!,
    );
  });

  it('refuses a number that would be rounded, alone', async () => {
    const client = await connectMqtt(signalbox.mqttUrl);
    const replies = await listenTo(client, `${TOPIC}/reply`);
    const deviceId = newDevice();
    const data = `[{"deviceId":"${deviceId}","values":{"n":9007199254740993}},{"deviceId":"${deviceId}","values":{"n":1e999}},{"deviceId":"${deviceId}","values":{"n":1}}]`;
    await client.publishAsync(TOPIC, `{"pattern":"${TOPIC}","data":${data},"id":"raw"}`, { qos: 1 });
    const { payload } = await replies.next('the answer', (message) => message.payload.includes('"raw"'));
    expect(JSON.parse(payload)).toMatchObject({
      response: { stored: 1, rejected: [{ code: 'NUMBER_TOO_LARGE' }, { code: 'NUMBER_TOO_LARGE' }] },
    });
    await client.endAsync();
  });

  it('takes 1,000 readings at once and not one more', async () => {
    const deviceId = newDevice();
    const ts = Date.now();
    const readings = Array.from({ length: 1_000 }, (_, seq) => ({ deviceId, values: { seq }, ts, seq }));
    expect(await record(readings)).toEqual({ stored: 1_000, duplicates: 0, rejected: [] });
    expect(await sensors(deviceId)).toHaveLength(1_000);
    const tooMany = await record([...readings, readings[0]]);
    expect(tooMany).toMatchObject({ stored: 0, rejected: [{ index: 0, code: 'TOO_MANY_ITEMS' }] });
  });

  it.each([['text'], [[]], [true]])('rejects %j, which holds no reading, and keeps it', async (data) => {
    const before = await health();
    const { stored, rejected } = await record(data);
    expect([stored, rejected.length, rejected[0]!.index]).toEqual([0, 1, 0]);
    const [newest] = await rejects(`code=${rejected[0]!.code}&limit=1`);
    expect(newest).toMatchObject({ deviceId: null, topic: TOPIC });
    expect((await health()).readings['received']).toBe(before.readings['received']! + 1);
  });

  it('leaves the ways to a device as they are: a native one stays native, one only recorded for is not made so', async () => {
    const client = await connectMqtt(signalbox.mqttUrl);
    const [native, unknown] = [newDevice(), newDevice()];
    await publishStored(signalbox, client, native, { t: 1 });
    await record([native, unknown].map((deviceId) => ({ deviceId, values: { t: 1 } })));
    const rows = await signalbox.database.point
      .selectFrom('devices')
      .select(['id', 'link'])
      .where('id', 'in', [native, unknown])
      .execute();
    expect(Object.fromEntries(rows.map(({ id, link }) => [id, link]))).toEqual({
      [native]: 'native',
      [unknown]: 'foreign',
    });
    await client.endAsync();
  });

  it('tells the device nothing: who asked has the answer', async () => {
    const client = await connectMqtt(signalbox.mqttUrl);
    const deviceId = newDevice();
    await publishStored(signalbox, client, deviceId, { t: 1 });
    const down = await listenTo(client, `devices/${deviceId}/down/#`);
    await record({ deviceId, values: { t: 1 }, ack: true });
    await record({ deviceId, values: {} });
    await client.publishAsync(`devices/${deviceId}/up/telemetry`, '{"values": {"t": 1}, "id": "mine", "ack": true}', {
      qos: 1,
    });
    await down.next('the acknowledgement of its own message');
    expect(down.received.map(({ payload }) => JSON.parse(payload) as object)).toMatchObject([
      { id: 'mine', stored: 1 },
    ]);
    await client.endAsync();
  });

  it('leaves the payload of a device whole, whatever keys it has, and never answers it', async () => {
    const client = await connectMqtt(signalbox.mqttUrl);
    const deviceId = newDevice();
    const all = await listenTo(client, '#');
    const topic = `devices/${deviceId}/up/telemetry`;
    const payload = { pattern: topic, data: { t: 1 }, id: 'tcx1v0q9m3b7z5k2j8h4f' };
    await publishStored(signalbox, client, deviceId, payload);
    expect(await sensors(deviceId)).toMatchObject([{ payload }]);
    await client.publishAsync('end', '', { qos: 1 });
    await all.next('the last message', (message) => message.topic === 'end');
    // An external broker keeps our own status, retained.
    const heard = all.received.map((message) => message.topic).filter((one) => one !== 'services/signalbox/status');
    expect(heard).toEqual([topic, 'end']);
    await client.endAsync();
  });
});
