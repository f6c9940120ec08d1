import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/common/ids.js';
import { eventually } from '../support/eventually.js';
import { get } from '../support/http.js';
import { connectDevice, type Device, listenTo } from '../support/mqtt.js';
import { Stage } from './support/stage.js';

let stage: Stage;
let device: Device;
/** All that anybody hears. */
let heard: Awaited<ReturnType<typeof listenTo>>;
beforeAll(async () => {
  stage = await Stage.start({ MQTT_DEVICE_RATE: '0' });
  device = await connectDevice(stage.service.mqttUrl, { clientId: 'tester' });
  heard = await listenTo(device.client, '#');
});
afterEach(async () => {
  await stage.holds();
});
afterAll(async () => {
  await device.end();
  await stage.stop();
});

interface Kept {
  readonly code: string;
  readonly topic: string;
  readonly payload: string;
}

const readings = async (deviceId: string) =>
  (await get<{ payload: unknown }[]>(stage.url(`/sensors?deviceId=${deviceId}`))).body.map(({ payload }) => payload);
const rejects = async (deviceId: string) =>
  (await get<{ items: Kept[] }>(stage.url(`/v1/rejects?deviceId=${deviceId}`))).body.items;

/** What was published below a device's topics, after a message that shows that all before it is through. */
async function heardOf(deviceId: string): Promise<string[]> {
  const marker = `lab/${newId()}`;
  await device.publish(marker, '');
  await heard.next('the marker', ({ topic }) => topic === marker);
  return heard.received.filter(({ topic }) => topic.startsWith(`devices/${deviceId}/`)).map(({ topic }) => topic);
}

describe('payload empty, not JSON, `null`, `1e999`, deep, `\\u0000`, binary, or with keys `id`, `data`, `pattern`', () => {
  it.each<[string, string | Buffer, string]>([
    ['empty', '', 'NOT_JSON'],
    ['not JSON', 'temperature=21.5', 'NOT_JSON'],
    ['not JSON, but almost', "{'temperature': 21.5}", 'NOT_JSON'],
    ['NaN', '{"t": NaN}', 'NOT_JSON'],
    ['null', 'null', 'NOT_AN_OBJECT'],
    ['a number', '21.5', 'NOT_AN_OBJECT'],
    ['a text', '"21.5"', 'NOT_AN_OBJECT'],
    ['an empty object', '{}', 'EMPTY'],
    ['an empty array', '[]', 'EMPTY'],
    ['1e999', '{"t": 1e999}', 'NUMBER_TOO_LARGE'],
    ['an integer beyond 2^53', '{"t": 9007199254740993}', 'NUMBER_TOO_LARGE'],
    ['deep', `{"t": ${'['.repeat(9)}${']'.repeat(9)}}`, 'TOO_DEEP'],
    ['deep, 200,000 brackets', `{"t": ${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 'TOO_DEEP'],
    ['deep and truncated', '['.repeat(200_000), 'NOT_JSON'],
    ['\\u0000', '{"t": "\\u0000"}', 'BAD_VALUE'],
    ['\\u0000 in a name', '{"a\\u0000b": 1}', 'BAD_METRIC_NAME'],
    ['a lone surrogate', '{"t": "\\ud800"}', 'BAD_VALUE'],
    ['a zero byte behind it', '{"t": 1}\0', 'NOT_JSON'],
    ['binary', Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0x00, 0x10]), 'NOT_UTF8'],
    ['__proto__', '{"__proto__": {"t": 1}}', 'FORBIDDEN_KEY'],
  ])(
    '(%s) rejected and acknowledged, kept with its reason, told to the device, and nothing else',
    async (_, payload, code) => {
      const deviceId = newId();
      const topic = `devices/${deviceId}/up/telemetry`;
      await device.publish(topic, payload);
      const items = await rejects(deviceId);
      expect(items).toMatchObject([{ code, topic, size: payload.length }]);
      expect(items[0]!.payload).toBe(Buffer.from(payload).subarray(0, 1_024).toString('base64'));
      expect(await readings(deviceId)).toEqual([]);
      const errors = `devices/${deviceId}/down/errors`;
      await heard.next('the device is told', (message) => message.topic === errors);
      expect((await heardOf(deviceId)).toSorted()).toEqual([errors, topic]);
    },
  );

  it.each<[string, object]>([
    ['id', { id: 'x', t: 1 }],
    ['data', { data: { t: 1 }, unit: 'C' }],
    ['pattern', { pattern: 'services/control/send', value: 2 }],
    ['id and data', { id: '1', data: 21.5 }],
    ['pattern and data', { pattern: 'p', data: { t: 1 } }],
    ['pattern, id and data', { pattern: { cmd: 'x' }, id: '1', data: [1, 2] }],
    ['id, response and isDisposed', { id: '1', response: 5, isDisposed: true }],
  ])('(with keys %s) stored whole, never unwrapped, never answered', async (_, values) => {
    const deviceId = newId();
    const topic = `devices/${deviceId}/up/telemetry`;
    await device.publish(topic, JSON.stringify(values));
    expect(await readings(deviceId)).toEqual([values]);
    expect(await rejects(deviceId)).toEqual([]);
    expect(await heardOf(deviceId)).toEqual([topic]);
  });

  it.each<[string, string, string]>([
    ['telemetry/temperature', '', 'NOT_JSON'],
    ['telemetry/temperature', '{"value": 1, "x": 2}', 'UNKNOWN_FIELD'],
    ['events/alarm', 'not JSON', 'NOT_JSON'],
    ['events/alarm', '', 'NOT_JSON'],
    ['status', 'online', 'BAD_STATUS'],
    ['status', 'null', 'BAD_STATUS'],
    ['commands/019aa7c0-7d7e-7cc2-9f52-1f4ad2f3a9c1', '\u0000', 'BAD_ANSWER'],
    ['commands/get', 'null', 'BAD_ANSWER'],
    ['nowhere', '{"t": 1}', 'UNKNOWN_TOPIC'],
  ])('(on up/%s: %j) rejected and acknowledged', async (below, payload, code) => {
    const deviceId = newId();
    await device.publish(`devices/${deviceId}/up/${below}`, payload);
    await eventually('it is kept', async () => (await rejects(deviceId)).length > 0);
    expect(await rejects(deviceId)).toMatchObject([{ code }]);
    expect(await readings(deviceId)).toEqual([]);
  });
});
