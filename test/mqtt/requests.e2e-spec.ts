import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { defineErrors } from '../../src/common/errors.js';
import type { Json } from '../../src/common/json.js';
import { MqttServer } from '../../src/mqtt/mqtt.server.js';
import { OnRequest } from '../../src/mqtt/on-request.decorator.js';
import { type Box, type BoxOptions, startBox } from './support/box.js';
import { gate, publishPacket, RawClient } from './support/raw-client.js';
import { eventually } from '../support/eventually.js';

const TOPIC = 'services/test/work';
const REPLY = `${TOPIC}/reply`;
const DeskErrors = defineErrors({
  TEST_NOT_NOW: { status: 503, title: 'Not now' },
  TEST_LATE: { status: 504, title: 'Late' },
  TEST_NEVER: { status: 404, title: 'Never' },
});

let work: (data: Json) => Promise<unknown>;
let handled: Json[];

@Controller()
class WorkController {
  @OnRequest(TOPIC)
  onWork(@Payload() data: Json): Promise<unknown> {
    handled.push(data);
    return work(data);
  }
}

const request = (data: unknown, id?: string) =>
  JSON.stringify({ pattern: TOPIC, data, ...(id === undefined ? {} : { id }) });

describe('A request of another service', () => {
  let box: Box;
  let caller: RawClient;
  let watcher: RawClient;
  const start = async (options: BoxOptions = {}) => {
    box = await startBox({ controllers: [WorkController], ...options });
    [caller, watcher] = await Promise.all([
      RawClient.connect(box.port, 'caller'),
      RawClient.connect(box.port, 'watcher'),
    ]);
    await watcher.subscribe(1, 'services/#');
  };
  beforeEach(async () => {
    handled = [];
    work = async (data) => ({ got: data });
    await start();
  });
  afterEach(async () => {
    caller.end();
    watcher.end();
    await box.close();
  });

  const replies = () =>
    watcher
      .of('publish')
      .filter(({ topic }) => topic.endsWith('/reply'))
      .map(({ topic, payload }) => ({ topic, body: JSON.parse(payload.toString()) as Record<string, unknown> }));
  const reply = (id: string) => eventually(`the reply ${id}`, () => replies().find(({ body }) => body['id'] === id));
  const counts = () => box.app.get(MqttServer).requests;

  it('is answered as Nest does it, on its own reply topic', async () => {
    caller.send(publishPacket(TOPIC, request({ a: 1 }, 'x'), 0));
    expect(await reply('x')).toEqual({
      topic: REPLY,
      body: { id: 'x', response: { got: { a: 1 } }, isDisposed: true },
    });
    expect(counts()).toMatchObject({ received: 1, done: 1 });
  });

  it.each([1, 2] as const)('of QoS %i is acknowledged when its work is done and answered, not before', async (qos) => {
    const commit = gate();
    work = () => commit.promise;
    caller.send(publishPacket(TOPIC, request(1, 'x'), qos, 7));
    await eventually('the handler has it', () => handled.length === 1);
    const before = caller.bytes;
    await caller.ping();
    expect(caller.bytes).toBe(before + 2);
    expect(replies()).toEqual([]);
    commit.open();
    await caller.next(qos === 1 ? 'puback' : 'pubrec');
    await reply('x');
  });

  it('is not acknowledged where its answer could not be published', async () => {
    const publish = box.link.publish.bind(box.link);
    box.link.publish = () => Promise.reject(DeskErrors.TEST_LATE('the broker does not answer'));
    caller.send(publishPacket(TOPIC, request(1, 'x'), 1, 7));
    await caller.closed();
    expect(caller.of('puback')).toEqual([]);
    expect(box.warnings).toMatchObject([{ code: 'TEST_LATE', topic: TOPIC }]);

    box.link.publish = publish;
    const again = await RawClient.connect(box.port, 'caller');
    again.send(publishPacket(TOPIC, request(1, 'x'), 1, 7, { dup: true }));
    await again.next('puback');
    await reply('x');
    again.end();
  });

  it('is acknowledged where its answer can never be published, so that it does not come again and again', async () => {
    box.link.publish = () => Promise.reject(DeskErrors.TEST_NEVER('the broker lets nobody publish there'));
    caller.send(publishPacket(TOPIC, request(1, 'x'), 1, 7));
    await caller.next('puback');
    expect(handled).toHaveLength(1);
    expect(box.warnings).toMatchObject([{ code: 'TEST_NEVER', topic: TOPIC }]);
  });

  it('that is held does not hold up a stop, and is not acknowledged', async () => {
    work = () => Promise.reject(DeskErrors.TEST_NOT_NOW('no database'));
    caller.send(publishPacket(TOPIC, request(1), 1, 7));
    await eventually('it was tried twice', () => handled.length > 1);
    const startedAt = performance.now();
    await box.close();
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    await caller.closed();
    expect(caller.of('puback')).toEqual([]);
  });

  it('that fails for a reason that can pass is answered and acknowledged, and held only where nobody waits', async () => {
    work = () => Promise.reject(DeskErrors.TEST_NOT_NOW('no database', { retryAfter: 2 }));
    caller.send(publishPacket(TOPIC, request(1, 'x'), 1, 7));
    await caller.next('puback');
    expect(await reply('x')).toMatchObject({ body: { err: { code: 'TEST_NOT_NOW', status: 503, retryAfter: 2 } } });
    caller.send(publishPacket(TOPIC, request(1), 0));
    await caller.ping();
    caller.send(publishPacket(TOPIC, request(1), 1, 8));
    await eventually('all have been tried', () => counts().failed >= 3);
    await caller.ping();
    expect(caller.of('puback')).toHaveLength(1);
    work = async () => null;
    await caller.next('puback', 2);
    expect(counts().done).toBe(1);
  });

  it('that can never be done is acknowledged, counted and logged, and answered where somebody waits', async () => {
    work = () => Promise.reject(DeskErrors.TEST_NEVER('no such thing'));
    caller.send(publishPacket(TOPIC, request(1), 1, 7), publishPacket(TOPIC, request(1, 'x'), 1, 8));
    await caller.next('puback', 2);
    expect(await reply('x')).toEqual({
      topic: REPLY,
      body: {
        id: 'x',
        isDisposed: true,
        err: {
          type: 'urn:signalbox:error:TEST_NEVER',
          title: 'Never',
          status: 404,
          detail: 'no such thing',
          instance: TOPIC,
          code: 'TEST_NEVER',
          requestId: 'x',
        },
      },
    });
    expect(replies()).toHaveLength(1);
    expect(counts()).toMatchObject({ received: 2, refused: 2 });
    expect(box.warnings).toMatchObject([{ code: 'TEST_NEVER', topic: TOPIC }]);
  });

  it('that nobody foresaw to fail is answered without what only the log may say', async () => {
    work = () => Promise.reject(new Error('password=hunter2'));
    caller.send(publishPacket(TOPIC, request(1, 'x'), 1, 7));
    await caller.next('puback');
    const { body } = await reply('x');
    expect(body).toMatchObject({ err: { code: 'INTERNAL', status: 500, requestId: 'x' } });
    expect(JSON.stringify(body)).not.toContain('hunter2');
  });

  it('is refused where its answer would not fit into a message', async () => {
    work = async () => 'x'.repeat(256 * 1024);
    caller.send(publishPacket(TOPIC, request(1, 'x'), 1, 7));
    expect(await reply('x')).toMatchObject({ body: { err: { code: 'PAYLOAD_TOO_LARGE' } } });
    await caller.next('puback');
  });

  it('that is none is acknowledged and counted, with one line in the log, and answered only where it has an id', async () => {
    const payloads = [
      '',
      'text',
      'null',
      '[1]',
      '{"data":1}',
      `{"pattern":"${TOPIC}","id":7}`,
      '{"pattern":"other","id":"x"}',
    ];
    caller.send(...payloads.map((payload, i) => publishPacket(TOPIC, payload, 1, i + 1)));
    await caller.next('puback', payloads.length);
    expect(await reply('x')).toMatchObject({ body: { err: { code: 'BAD_ENVELOPE', status: 400 } } });
    expect(replies()).toHaveLength(1);
    expect(counts()).toMatchObject({ received: payloads.length, malformed: payloads.length });
    expect(box.warnings.length).toBeLessThanOrEqual(2);
    expect(handled).toEqual([]);
  });

  it('holds up nobody else while it is worked on, not even others of the same client beyond their order', async () => {
    const slow = gate();
    work = (data) => (data === 'slow' ? slow.promise : Promise.resolve(data));
    for (let i = 1; i <= 40; i++) caller.send(publishPacket(TOPIC, request('slow'), 1, i));
    await eventually('some of the slow ones run', () => handled.length >= 8);
    const other = await RawClient.connect(box.port, 'other');
    other.send(publishPacket(TOPIC, request('quick', 'x'), 1, 1));
    await other.next('puback');
    await reply('x');
    other.send(publishPacket('devices/a/up/telemetry', '1', 1, 2));
    await other.next('puback', 2);
    expect(caller.of('puback')).toEqual([]);
    slow.open();
    await caller.next('puback', 40);
    other.end();
  });

  it('is finished and answered by a stop', async () => {
    const slow = gate();
    work = () => slow.promise;
    caller.send(publishPacket(TOPIC, request(1, 'x'), 1, 7));
    await eventually('the handler has it', () => handled.length === 1);
    const closing = box.close();
    slow.open();
    await closing;
    await eventually('the last bytes are read', () => caller.ended && watcher.ended);
    expect(caller.of('puback')).toHaveLength(1);
    expect(replies()).toHaveLength(1);
  });

  it.each(['services/test/wrok', REPLY, 'services/signalbox/status', 'services', 'devices/a/up/telemetry'])(
    'is nothing on %s: no work, no answer',
    async (topic) => {
      caller.send(publishPacket(topic, JSON.stringify({ pattern: topic, data: 1, id: 'x' }), 1, 7));
      await caller.next('puback');
      caller.send(publishPacket(TOPIC, request(2, 'y'), 1, 8));
      await reply('y');
      expect(replies().filter(({ body }) => 'response' in body || 'err' in body)).toHaveLength(1);
      expect(handled).toEqual([2]);
    },
  );

  it('is not taken at all with MQTT_SERVICES=off', async () => {
    caller.end();
    watcher.end();
    await box.close();
    await start({ broker: { services: 'off' } });
    caller.send(publishPacket(TOPIC, request(1, 'x'), 1, 7));
    await caller.next('puback');
    await watcher.next('publish');
    expect([replies(), handled, counts().received]).toEqual([[], [], 0]);
  });
});
