import { Controller } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { defineErrors } from '../../src/common/errors.js';
import type { TopicMessage } from '../../src/mqtt/message.js';
import { OnTopic } from '../../src/mqtt/on-topic.decorator.js';
import { eventually } from '../support/eventually.js';
import { type Box, startBox } from './support/box.js';
import { gate, publishPacket, RawClient } from './support/raw-client.js';

const TOPIC = 'devices/a/up/telemetry';
const TestErrors = defineErrors({ TEST_DISK_GONE: { status: 500, title: 'The disk is gone' } });

describe('the MQTT transport', () => {
  let box: Box;
  let client: RawClient;
  beforeEach(async () => {
    box = await startBox();
    client = await RawClient.connect(box.port, 'a');
  });
  afterEach(async () => {
    client.end();
    await box.close();
  });

  it.each([1, 2] as const)(
    'sends no byte of an acknowledgement of QoS %i before the handler has resolved',
    async (qos) => {
      const commit = gate();
      box.recorder.behaviour = () => commit.promise;
      client.send(publishPacket(TOPIC, '1', qos, 7));
      await eventually('the handler has the message', () => box.recorder.messages.length === 1);
      const before = client.bytes;
      await client.ping();
      expect(client.bytes).toBe(before + 2);
      commit.open();
      expect((await client.next(qos === 1 ? 'puback' : 'pubrec')).messageId).toBe(7);
    },
  );

  it('hands a handler all messages of one turn at once, in order of arrival, with the levels that its template names', async () => {
    client.send(...Array.from({ length: 50 }, (_, i) => publishPacket(TOPIC, `${i}`, 1, i + 1)));
    await client.next('puback', 50);
    expect(box.recorder.batches).toHaveLength(1);
    expect(box.recorder.payloads).toEqual(Array.from({ length: 50 }, (_, i) => `${i}`));
    expect(box.recorder.messages[0]).toMatchObject({
      topic: TOPIC,
      params: { deviceId: 'a' },
      clientId: 'a',
      qos: 1,
      retain: false,
      replayed: false,
    });
  });

  it('hands over apart what a handler calls bulk, and what one client sends beyond its share of a batch', async () => {
    const large = 'x'.repeat(3_000);
    const payloads = ['1', 'bulk 1', '2', 'bulk 2', large, large, 'late'];
    client.send(...payloads.map((payload, i) => publishPacket(TOPIC, payload, 1, i + 1)));
    await client.next('puback', payloads.length);
    const batches = box.recorder.batches.map(({ messages }) => messages.map(({ payload }) => payload.toString()));
    expect(batches).toEqual([
      ['1', '2', large],
      ['bulk 1', 'bulk 2', large, 'late'],
    ]);
  });

  it('releases acknowledgements in order of arrival although handlers finish unevenly', async () => {
    const slow = gate();
    box.recorder.behaviour = ({ handler }) => (handler === 'telemetry' ? slow.promise : undefined);
    client.send(publishPacket(TOPIC, 'slow', 1, 1), publishPacket('devices/a/up/status', 'quick', 1, 2));
    client.send(publishPacket('elsewhere', 'nobody wants it', 1, 3));
    await eventually('both handlers were called', () => box.recorder.of('status').length === 1);
    await client.ping();
    expect(client.of('puback')).toEqual([]);
    slow.open();
    await client.next('puback', 3);
    expect(client.of('puback').map(({ messageId }) => messageId)).toEqual([1, 2, 3]);
  });

  it('acknowledges a message only when every handler that got it has resolved', async () => {
    const slow = gate();
    box.recorder.behaviour = ({ handler }) => (handler === 'presence' ? slow.promise : undefined);
    client.send(publishPacket('devices/a/up/status', '{}', 1, 1));
    await eventually('both handlers were called', () => box.recorder.batches.length === 2);
    await client.ping();
    expect(client.of('puback')).toEqual([]);
    slow.open();
    await client.next('puback');
  });

  it('drops the connection of every sender in a batch that is refused, without an acknowledgement, and takes what is sent again', async () => {
    const other = await RawClient.connect(box.port, 'b');
    const commit = gate();
    box.recorder.behaviour = () => commit.promise;
    client.send(publishPacket(TOPIC, '1', 1, 1));
    other.send(publishPacket('devices/b/up/telemetry', '1', 2, 1));
    await eventually('the handlers have both', () => box.recorder.messages.length === 2);
    commit.fail(TestErrors.TEST_DISK_GONE('no space left'));
    await Promise.all([client.closed(), other.closed()]);
    expect([...client.of('puback'), ...other.of('pubrec')]).toEqual([]);
    expect(box.counter('failed')).toBe(2);
    expect(box.warnings).toMatchObject([
      { code: 'TEST_DISK_GONE', topic: expect.stringMatching(/telemetry$/), messages: 2 },
    ]);

    box.recorder.behaviour = () => {};
    const again = await RawClient.connect(box.port, 'a');
    again.send(publishPacket(TOPIC, '1', 1, 1, { dup: true }));
    await again.next('puback');
    again.end();
  });

  it('runs a fallback only where no handler handles the topic, and does not count observers', async () => {
    client.send(
      publishPacket('devices/a/up/status', '1', 1, 1),
      publishPacket('devices/a/up/odd', '2', 1, 2),
      publishPacket('devices/a/up/deep/er', '3', 1, 3),
    );
    await client.next('puback', 3);
    expect(box.recorder.of('unknown')).toEqual(['devices/a/up/odd', 'devices/a/up/deep/er']);
    expect(box.recorder.of('logged')).toEqual(['devices/a/up/odd']);
    expect(box.recorder.of('status')).toEqual(['devices/a/up/status']);
    expect(box.recorder.messages.find(({ topic }) => topic === 'devices/a/up/deep/er')!.params).toEqual({
      deviceId: 'a',
      rest: 'deep/er',
    });
  });

  it('takes foreign topics by the templates of DEVICE_TOPICS', async () => {
    client.send(publishPacket('poc/device/sensor', '{"temperature":1}', 1, 1));
    await client.next('puback');
    expect(box.recorder.messages[0]!.params).toEqual({ deviceId: 'device' });
  });

  it.each([
    '{"data":1,"unit":"C"}',
    '{"id":"x","data":1}',
    '{"pattern":"p","value":2}',
    '',
    'null',
    '\u0000',
    '{"a":1e999}',
  ])('hands on the payload %j as it came, and publishes no reply', async (payload) => {
    const watcher = await RawClient.connect(box.port, 'watcher');
    expect(await watcher.subscribe(1, '#')).toEqual([1]);
    client.send(publishPacket(TOPIC, payload, 1, 1), publishPacket('end', '', 1, 2));
    await client.next('puback', 2);
    await watcher.next('publish', 2);
    expect(watcher.of('publish').map(({ topic }) => topic)).toEqual([TOPIC, 'end']);
    expect(box.recorder.payloads).toEqual([payload]);
    watcher.end();
  });

  it('finishes and acknowledges what is in flight before it stops, and takes nothing more', async () => {
    const commit = gate();
    box.recorder.behaviour = () => commit.promise;
    client.send(publishPacket(TOPIC, '1', 1, 1));
    await eventually('the handler has the message', () => box.recorder.messages.length === 1);
    const stopping = box.close();
    await eventually('the listener is closed', () =>
      RawClient.open(box.port).then(
        () => false,
        () => true,
      ),
    );
    client.send(publishPacket(TOPIC, '2', 1, 2));
    commit.open();
    await stopping;
    await client.closed();
    expect(client.of('puback').map(({ messageId }) => messageId)).toEqual([1]);
    expect(box.recorder.payloads).toEqual(['1']);
    box = await startBox();
  });
});

describe('OnTopic', () => {
  it('keeps the code of an error that reaches a publisher inside the process', async () => {
    const box = await startBox();
    box.recorder.behaviour = () => Promise.reject(TestErrors.TEST_DISK_GONE('no space left'));
    await expect(box.publisher.publish({ topic: TOPIC, payload: '1', qos: 1 })).rejects.toMatchObject({
      code: 'TEST_DISK_GONE',
    });
    await box.close();
  });

  it('runs two handlers of one template that have different roles', async () => {
    const seen: string[] = [];
    @Controller()
    class SecondController {
      @OnTopic('{prefix}/{deviceId}/up/telemetry', { role: 'observe' })
      async onReading(messages: readonly TopicMessage[]): Promise<void> {
        seen.push(...messages.map(({ topic }) => topic));
      }
    }
    const box = await startBox({ controllers: [SecondController] });
    await box.publisher.publish({ topic: TOPIC, payload: '1', qos: 0 });
    expect(seen).toEqual([TOPIC]);
    expect(box.recorder.of('telemetry')).toEqual([TOPIC]);
    await box.close();
  });
});
