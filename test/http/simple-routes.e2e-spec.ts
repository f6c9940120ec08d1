import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestApp, type TestApp } from '../support/app.js';
import { hasExternalBroker, settled } from '../support/backends.js';
import { get, post, type ProblemBody } from '../support/http.js';
import { connectDevice, connectMqtt, type Device, listenTo } from '../support/mqtt.js';

interface Reading {
  readonly deviceId: string;
  readonly topic: string;
  readonly payload: unknown;
  readonly timestamp: string;
  readonly receivedAt: string;
}

interface Message {
  readonly topic: string;
  readonly message: string;
  readonly timestamp: string;
  readonly qos: number;
  readonly retain: boolean;
  readonly encoding?: string;
}

let signalbox: TestApp;
let device: Device;
beforeAll(async () => {
  signalbox = await createTestApp();
  device = await connectDevice(signalbox.mqttUrl);
});
afterAll(async () => {
  await device.end();
  await signalbox.close();
});

const url = (path: string) => `${signalbox.httpUrl}${path}`;

describe('GET /', () => {
  it('says that Signalbox runs, and where to go', async () => {
    const { status, headers, body } = await get<{ message: string; name: string; version: string; links: object }>(
      url('/'),
    );
    expect(status).toBe(200);
    expect(headers.get('vary')).toBe('Accept');
    expect(body).toMatchObject({ message: 'Signalbox is running', name: 'signalbox', links: { sensors: '/sensors' } });
    expect(body.version).toMatch(/^\d+\.\d+\.\d+/);
  });

  it('links only to routes that answer', async () => {
    const { body } = await get<{ links: Record<string, string> }>(url('/'));
    const answers = await Promise.all(Object.values(body.links).map((path) => get(url(path))));
    // A route that only takes POST answers GET with 404, and then has to answer POST with something else.
    for (const [i, path] of Object.values(body.links).entries()) {
      const status = answers[i]!.status === 404 ? (await post(url(path), {})).status : answers[i]!.status;
      expect([200, 400]).toContain(status);
    }
  });
});

describe('GET /health, /livez and /readyz', () => {
  it('are 200 while broker and database are up', async () => {
    const health = await get(url('/health'));
    expect(health.status).toBe(200);
    expect(health.body).toMatchObject({ status: 'OK', broker: { status: 'up' }, database: { status: 'up' } });
    expect((health.body as { broker: { counters: object } }).broker.counters).toMatchObject({
      received: expect.any(Number),
    });
    expect((await get(url('/livez'))).status).toBe(200);
    expect((await get(url('/readyz'))).body).toEqual({ status: 'OK' });
  });
});

describe('GET /sensors', () => {
  it('shows a reading right after its acknowledgement', async () => {
    for (let i = 0; i < 20; i++) {
      await device.publish('devices/fresh/up/telemetry', JSON.stringify({ temperature: i }));
      const { body } = await get<Reading[]>(url('/sensors?limit=1&deviceId=fresh'));
      expect(body).toHaveLength(1);
      expect(body[0]!.payload).toEqual({ temperature: i });
    }
  });

  it('lists the last stored readings, oldest of them first, in the form of the contract', async () => {
    await device.publish('devices/list-a/up/telemetry', '{"n": 1}');
    await device.publish('poc/list-b/sensor', '{"n": 2}');
    const { body } = await get<Reading[]>(url('/sensors?limit=2'));
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(body).toEqual([
      {
        deviceId: 'list-a',
        topic: 'devices/list-a/up/telemetry',
        payload: { n: 1 },
        timestamp: time,
        receivedAt: time,
      },
      { deviceId: 'list-b', topic: 'poc/list-b/sensor', payload: { n: 2 }, timestamp: time, receivedAt: time },
    ]);
  });

  it('with deviceId sorts by the time of the device', async () => {
    const base = Date.now();
    const reading = (n: number, age: number) => JSON.stringify({ values: { n }, ts: base - age });
    for (const [n, age] of [
      [1, 10],
      [3, 0],
      [2, 5],
    ] as const) {
      await device.publish('devices/sorted/up/telemetry', reading(n, age));
    }
    const { body } = await get<Reading[]>(url('/sensors?deviceId=sorted&limit=2'));
    expect(body.map(({ payload }) => payload)).toEqual([{ n: 2 }, { n: 3 }]);
    expect(body[1]!.timestamp).toBe(new Date(base).toISOString());
  });

  it('has an empty list for a device without readings', async () => {
    expect((await get(url('/sensors?deviceId=nobody'))).body).toEqual([]);
  });

  it.each(['0', '-1', '10001', '1e3', '0x10', '1e9', '', 'x', '5&limit=6', '1.5', '%205'])(
    'refuses limit=%s',
    async (limit) => {
      const { status, body } = await get<ProblemBody>(url(`/sensors?limit=${limit}`));
      expect(status).toBe(400);
      expect(body.code).toBe('VALIDATION_FAILED');
      expect(body.errors![0]).toMatchObject({ parameter: 'limit' });
    },
  );

  it.each(['toString=1', 'hasOwnProperty=1', '__proto__=1', 'constructor=1'])('refuses %s', async (query) => {
    expect((await get(url(`/sensors?${query}`))).status).toBe(400);
  });

  it('refuses a parameter that it does not know', async () => {
    const { status, body } = await get<ProblemBody>(url('/sensors?devceId=x'));
    expect(status).toBe(400);
    expect(body.errors).toEqual([{ parameter: 'devceId', detail: 'devceId is not known here', code: 'UNKNOWN_FIELD' }]);
  });
});

describe('POST /publish', () => {
  it('publishes a string as it is and anything else as JSON', async () => {
    const listener = await listenTo(device.client, 'lab/#');
    for (const [name, message, wire] of [
      ['message', 'plain', 'plain'],
      ['msg', { a: [1, null] }, '{"a":[1,null]}'],
      ['payload', 42, '42'],
      ['message', false, 'false'],
      ['message', '', ''],
    ] as const) {
      const topic = `lab/${Math.random()}`;
      const answer = await post(url('/publish'), { topic, [name]: message });
      expect(answer.status).toBe(200);
      expect(answer.body).toEqual({ code: 0, status: 'Message published', topic, message });
      expect((await listener.next(topic, (received) => received.topic === topic)).payload).toBe(wire);
    }
  });

  it('goes to PUBLISH_TOPIC where no topic is given', async () => {
    const { body } = await post(url('/publish'), { message: 'hello' });
    expect(body).toMatchObject({ topic: 'demo/signalbox/pub' });
  });

  it('is treated like any other message: logged, and stored as a reading', async () => {
    await post(url('/publish'), { topic: 'demo/logged', message: 'kept' });
    await settled(signalbox.mqttUrl);
    const messages = await get<Message[]>(url('/messages?topic=demo/logged'));
    expect(messages.body.map(({ message }) => message)).toEqual(['kept']);
    await post(url('/publish'), { topic: 'devices/by-rest/up/telemetry', payload: { t: 7 } });
    await settled(signalbox.mqttUrl);
    const readings = await get<Reading[]>(url('/sensors?deviceId=by-rest'));
    expect(readings.body.map(({ payload }) => payload)).toEqual([{ t: 7 }]);
  });

  it('keeps a retained message for whoever subscribes later', async () => {
    await post(url('/publish'), { topic: 'lab2/retained', message: 'still here', retain: true, qos: 2 });
    const late = await connectMqtt(signalbox.mqttUrl);
    const listener = await listenTo(late, 'lab2/retained');
    expect((await listener.next('the retained message')).payload).toBe('still here');
    await late.endAsync();
  });

  it.each([
    ['no message', {}],
    ['null', { message: null }],
    ['null as topic', { message: 'a', topic: null }],
    ['null as QoS', { message: 'a', qos: null }],
    ['null as retain', { message: 'a', retain: null }],
    ['an inherited name', { message: 'a', toString: 1 }],
    ['two messages', { message: 'a', msg: 'b' }],
    ['an empty topic', { topic: '', message: 'a' }],
    ['a wildcard', { topic: 'a/+', message: 'a' }],
    ['a $-topic', { topic: '$CONTROL/x', message: 'a' }],
    ['NUL in the topic', { topic: 'a\0b', message: 'a' }],
    ['QoS 3', { message: 'a', qos: 3 }],
    ['QoS as text', { message: 'a', qos: '1' }],
    ['retain as text', { message: 'a', retain: 'false' }],
    ['an unknown field', { message: 'a', topc: 'x' }],
    ['an array', [1]],
    ['a text', '"text"'],
  ])('refuses %s with 400', async (_, body) => {
    const { status, headers } = await post(url('/publish'), body);
    expect(status).toBe(400);
    expect(headers.get('content-type')).toBe('application/problem+json');
  });
});

describe('GET /messages', () => {
  it('lists the newest messages of a filter, oldest of them first, in the form of the contract', async () => {
    for (const n of [1, 2, 3]) await device.publish(`demo/order/${n}`, `m${n}`);
    const { body } = await get<Message[]>(url('/messages?limit=2&topic=demo/order/%2B'));
    const timestamp = expect.stringMatching(/Z$/);
    expect(body).toEqual([
      { topic: 'demo/order/2', message: 'm2', timestamp, qos: 1, retain: false },
      { topic: 'demo/order/3', message: 'm3', timestamp, qos: 1, retain: false },
    ]);
  });

  it('lists more messages than are read at once, each once and in order', async () => {
    const topics = Array.from({ length: 130 }, (_, n) => `demo/many/${n}`);
    for (const topic of topics) await device.publish(topic, 'm');
    await device.publish('demo/between', 'm');
    const { body } = await get<Message[]>(url('/messages?limit=120&topic=demo/many/%23'));
    expect(body.map(({ topic }) => topic)).toEqual(topics.slice(-120));
  });

  it('shows bytes that are not UTF-8 as base64', async () => {
    await device.publish('/flask/binary', Buffer.from([0xff, 0x00]), { qos: 2 });
    const { body } = await get<Message[]>(url('/messages?topic=/flask/%23'));
    // What a broker of others hands us has the QoS of our subscription at most.
    expect(body).toMatchObject([{ message: '/wA=', encoding: 'base64', qos: hasExternalBroker ? 1 : 2 }]);
  });

  it('does not keep what no filter of MESSAGE_TOPICS matches', async () => {
    await device.publish('private/x', 'secret');
    expect((await get(url('/messages?topic=private/%23'))).body).toEqual([]);
  });

  it.each(['limit=0', 'limit=10001', 'topic=a%23', 'topic=', 'topic=a&topic=b', 'tpic=a'])(
    'refuses %s',
    async (query) => {
      expect((await get(url(`/messages?${query}`))).status).toBe(400);
    },
  );
});
