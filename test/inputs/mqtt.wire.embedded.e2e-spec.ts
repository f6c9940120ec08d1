import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/common/ids.js';
import {
  connectPacket,
  encode,
  lengthBytes,
  publishPacket,
  RawClient,
  rawPublish,
} from '../mqtt/support/raw-client.js';
import { eventually } from '../support/eventually.js';
import { get } from '../support/http.js';
import { Stage } from './support/stage.js';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.start({ MQTT_DEVICE_RATE: '0' });
});
afterEach(async () => {
  await stage.holds();
});
afterAll(async () => {
  await stage.stop();
});

const open = () => RawClient.open(stage.service.mqttPort);
const login = (id: string) => RawClient.connect(stage.service.mqttPort, id);

/** Does what is to be refused: counted once under `name`, and nothing is stored, logged as a message or kept as a reject. */
async function countsOne(name: string, act: () => Promise<unknown>, packets = 0): Promise<void> {
  const before = await stage.health();
  await act();
  const after = await eventually('it is counted', async () => {
    const health = await stage.health();
    return health.broker.counters[name] === (before.broker.counters[name] ?? 0) + 1 && health;
  });
  expect(after.readings).toEqual(before.readings);
  expect(after.broker.counters['received']).toBe((before.broker.counters['received'] ?? 0) + packets);
  for (const path of ['/messages', '/v1/rejects']) {
    const { body } = await get<unknown[] | { items: unknown[] }>(stage.url(path));
    expect('items' in body ? body.items : body).toEqual([]);
  }
}

describe('no CONNECT; another packet first; second CONNECT; reserved flags; QoS 3; 5-byte length; oversized length; packet split at every byte; 1,000 packets in one segment', () => {
  it.each([
    ['another packet first', encode(publishPacket('devices/a/up/telemetry', '{"a": 1}'))],
    ['an HTTP request first', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
    ['reserved flags of CONNECT', Buffer.from([0x11, 2, 0, 0])],
    ['a CONNECT of nothing', Buffer.from([0x10, 0])],
    ['a CONNECT of another protocol', Buffer.from([0x10, 12, 0, 4, 0x4d, 0x51, 0x58, 0x58, 4, 2, 0, 60, 0, 0])],
    ['a reserved bit of CONNECT', Buffer.from([0x10, 12, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 3, 0, 60, 0, 0])],
  ])('(%s) closed without a byte, counted', async (_, bytes) => {
    await countsOne('refused.packet', async () => {
      const client = await open();
      client.send(bytes);
      await client.closed();
      expect(client.bytes).toBe(0);
    });
  });

  it('(oversized length of CONNECT) closed on its header, counted', async () => {
    await countsOne('refused.connect_size', async () => {
      const client = await open();
      client.send(Buffer.concat([Buffer.from([0x10]), lengthBytes(268_435_455)]));
      await client.closed();
      expect(client.bytes).toBe(0);
    });
  });

  it.each([
    ['second CONNECT', encode(connectPacket('again'))],
    ['reserved flags', Buffer.from([0x80, 6, 0, 1, 0, 1, 0x61, 0])],
    ['QoS 3', Buffer.from([0x36, 5, 0, 1, 0x61, 0, 1])],
    ['5-byte length', Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x01])],
    ['oversized length', Buffer.concat([Buffer.from([0x30]), lengthBytes(258 * 1_024)])],
    ['a PUBLISH shorter than its topic', Buffer.from([0x30, 3, 0, 9, 0x61])],
    ['a SUBSCRIBE without filters', Buffer.from([0x82, 2, 0, 1])],
    ['an UNSUBSCRIBE without filters', Buffer.from([0xa2, 2, 0, 1])],
    ['a SUBSCRIBE with QoS 3', Buffer.from([0x82, 6, 0, 1, 0, 1, 0x61, 3])],
    ['packet id 0 in a SUBSCRIBE', Buffer.from([0x82, 6, 0, 0, 0, 1, 0x61, 0])],
  ])('(%s) closed, counted', async (_, bytes) => {
    const client = await login(newId());
    await countsOne('refused.packet', async () => {
      client.send(bytes);
      await client.closed();
    });
    expect(client.received.map(({ cmd }) => cmd)).toEqual(['connack']);
  });

  it('(packet split at every byte, and 1,000 packets in one segment) stored like whole packets', async () => {
    const stored = async (deviceId: string) =>
      (await get<{ payload: unknown }[]>(stage.url(`/sensors?deviceId=${deviceId}&limit=1000`))).body;
    const split = newId();
    const slow = await open();
    for (const byte of encode(connectPacket(split), publishPacket(`devices/${split}/up/telemetry`, '{"n": 1}', 1, 1))) {
      slow.socket.write(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    await slow.next('puback');
    expect(await stored(split)).toMatchObject([{ payload: { n: 1 } }]);
    const joined = newId();
    const fast = await open();
    const topic = `devices/${joined}/up/telemetry`;
    fast.send(
      connectPacket(joined),
      ...Array.from({ length: 1_000 }, (_, n) => publishPacket(topic, `{"n": ${n}}`, 1, n + 1)),
    );
    await fast.next('puback', 1_000);
    expect((await stored(joined)).map(({ payload }) => payload)).toEqual(
      Array.from({ length: 1_000 }, (_, n) => ({ n })),
    );
    for (const client of [slow, fast]) client.end();
  });
});

describe('MQTT 5 on the embedded broker', () => {
  it('CONNACK 1, and a log line that says what to do', async () => {
    const line = await stage.lineOf(async () => {
      const client = await open();
      client.send(connectPacket('five', { protocolVersion: 5 }));
      await client.closed();
      expect(await client.connackCode()).toBe(1);
    });
    expect(line).toMatchObject({
      level: 40,
      reason: 'refused.protocol',
      detail: expect.stringMatching(/choose 3\.1\.1.*MQTT_URL/),
    });
  });
});

describe('PUBLISH to wildcard, empty, long, deep, control-character, `$`-topic, another device, own `down/`', () => {
  async function isRefused(topic: Buffer, packets: number): Promise<void> {
    for (const qos of [0, 1, 2]) {
      const client = await login(newId());
      const publish = async () => {
        client.send(rawPublish(topic, Buffer.from('{"a": 1}'), qos));
        await client.closed();
      };
      await countsOne('refused.topic', publish, packets);
      expect(client.received.map(({ cmd }) => cmd)).toEqual(['connack']);
    }
  }

  it.each([
    ['wildcard', Buffer.from('devices/+/up/telemetry')],
    ['wildcard of levels', Buffer.from('devices/#')],
    ['empty', Buffer.alloc(0)],
  ])('(%s) refused, closed, counted, nothing stored, with every QoS, before it is received', async (_, topic) => {
    await isRefused(topic, 0);
  });

  it.each([
    ['long', Buffer.from(`demo/${'x'.repeat(300)}`)],
    ['deep', Buffer.from('demo/b/c/d/e/f/g/h/i')],
    ['control-character', Buffer.from('demo/\u0007')],
    ['control-character NUL', Buffer.from('demo/\0')],
    ['invalid UTF-8', Buffer.from([0x64, 0xc3, 0x28])],
    ['$SYS', Buffer.from('$SYS/broker/uptime')],
    ['$CONTROL', Buffer.from('$CONTROL/dynamic-security/v1')],
    ['$share', Buffer.from('$share/g/demo/x')],
  ])('(%s) refused, closed, counted, nothing stored, with every QoS', async (_, topic) => {
    await isRefused(topic, 1);
  });
});
