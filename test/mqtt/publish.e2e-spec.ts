import type { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { type Box, startBox } from './support/box.js';
import { gate, publishPacket, RawClient, rawPublish } from './support/raw-client.js';

const TOPIC = 'devices/a/up/telemetry';

describe('PUBLISH', () => {
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

  it.each([
    ['with +', Buffer.from('devices/a/up/+')],
    ['with #', Buffer.from('devices/a/up/#')],
    ['that is empty', Buffer.alloc(0)],
    ['of 257 bytes', Buffer.alloc(257, 0x61)],
    ['of 9 levels', Buffer.from('devices/a/up/d/e/f/g/h/i')],
    ['of 200 levels', Buffer.from('devices/a/up' + '/x'.repeat(120))],
    ['with a control character', Buffer.from('devices/a/up/\u0007')],
    ['with NUL', Buffer.from('devices/a/up/\0')],
    ['with invalid UTF-8', Buffer.from([0x61, 0xc3, 0x28])],
    ['with an encoded surrogate', Buffer.from([0x61, 0xed, 0xa0, 0x80])],
    ['below $SYS', Buffer.from('$SYS/broker/x')],
    ['that begins with $', Buffer.from('$share/g/devices/a/up/telemetry')],
  ])('to a topic %s closes the client, and nobody gets it', async (_, topic) => {
    const watcher = await RawClient.connect(box.port, 'watcher');
    await watcher.subscribe(1, '#');
    for (const qos of [0, 1, 2]) {
      const sender = await RawClient.connect(box.port, `sender-${qos}`);
      sender.send(rawPublish(topic, Buffer.from('x'), qos));
      await sender.closed();
      expect([...sender.of('puback'), ...sender.of('pubrec')]).toEqual([]);
    }
    expect(box.recorder.messages).toEqual([]);
    client.send(publishPacket('end', '', 1, 1));
    expect((await watcher.next('publish')).topic).toBe('end');
    watcher.end();
  });

  it('counts a refused topic by its reason', async () => {
    client.send(publishPacket('$SYS/x', '1', 1, 1));
    await client.closed();
    expect(box.counter('refused.topic')).toBe(1);
    expect(box.counter('received')).toBe(1);
    expect(box.counter('acked')).toBe(0);
    expect(box.warnings).toMatchObject([{ reason: 'refused.topic', topic: '$SYS/x', client: 'a' }]);
  });

  it.each([1, 2])('with QoS %i and packet id 0 closes the client', async (qos) => {
    client.send(rawPublish(Buffer.from(TOPIC), Buffer.from('x'), qos, 0));
    await client.closed();
    expect(box.recorder.messages).toEqual([]);
    expect(box.counter('refused.packet_id')).toBe(1);
  });

  it('acknowledges twice where a packet id is used again in flight', async () => {
    client.send(publishPacket(TOPIC, '1', 1, 5), publishPacket(TOPIC, '2', 1, 5));
    await client.next('puback', 2);
    expect(box.recorder.payloads).toEqual(['1', '2']);
  });

  it('reaches subscribers with QoS 0 although its sender is gone at once', async () => {
    const watcher = await RawClient.connect(box.port, 'watcher');
    await watcher.subscribe(1, TOPIC);
    const slow = gate();
    box.recorder.behaviour = () => slow.promise;
    client.send(publishPacket(TOPIC, 'last words', 0));
    await eventually('the handler has it', () => box.recorder.messages.length === 1);
    client.socket.resetAndDestroy();
    await eventually('its sender is gone', () => box.link.clients === 1);
    slow.open();
    expect((await watcher.next('publish')).payload.toString()).toBe('last words');
    watcher.end();
  });

  it('drops an acknowledgement whose connection is gone, also where the client is back under the same id', async () => {
    const slow = gate();
    box.recorder.behaviour = () => slow.promise;
    client.send(publishPacket(TOPIC, '1', 1, 1));
    await eventually('the handler has it', () => box.recorder.messages.length === 1);
    client.end();
    const again = await RawClient.connect(box.port, 'a');
    slow.open();
    await again.ping();
    expect(again.of('puback')).toEqual([]);
    expect(box.counter('acked')).toBe(0);
    again.end();
  });

  it('starts to reach a subscriber that comes after nobody listened, and stops at none', async () => {
    const other = await RawClient.connect(box.port, 'b');
    const fannedOut: string[] = [];
    const broker = Reflect.get(box.link, 'broker') as EventEmitter;
    broker.on('publish', ({ payload }: { payload: Buffer }) => fannedOut.push(payload.toString()));
    client.send(publishPacket(TOPIC, 'unheard', 1, 1));
    await client.next('puback');
    await other.subscribe(1, 'devices/+/up/telemetry');
    client.send(publishPacket(TOPIC, 'heard', 1, 2));
    expect((await other.next('publish')).payload.toString()).toBe('heard');
    other.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['devices/+/up/telemetry'] });
    await other.next('unsuback');
    client.send(publishPacket(TOPIC, 'unheard', 1, 3));
    await client.next('puback', 3);
    await other.ping();
    expect(other.of('publish')).toHaveLength(1);
    expect(fannedOut).toEqual(['heard']);
    other.end();
  });

  describe('with QoS 2', () => {
    it('is handled once although it is sent twice while the handler runs, in one segment and later', async () => {
      const slow = gate();
      box.recorder.behaviour = () => slow.promise;
      const watcher = await RawClient.connect(box.port, 'watcher');
      await watcher.subscribe(1, TOPIC);
      const twice = publishPacket(TOPIC, '1', 2, 1);
      client.send(twice, { ...twice, dup: true });
      await eventually('the handler has it', () => box.recorder.messages.length === 1);
      client.send({ ...twice, dup: true });
      await client.ping();
      expect(client.of('pubrec')).toEqual([]);
      slow.open();
      await client.next('pubrec', 3);
      client.send({ ...twice, dup: true });
      await client.next('pubrec', 4);
      client.send({ cmd: 'pubrel', messageId: 1 }, { cmd: 'pubrel', messageId: 1 });
      await client.next('pubcomp', 2);
      expect(box.recorder.payloads).toEqual(['1']);
      expect(box.counter('doubled')).toBe(3);
      await watcher.ping();
      expect(watcher.of('publish')).toHaveLength(1);

      client.send(publishPacket(TOPIC, '2', 2, 1));
      await client.next('pubrec', 5);
      expect(box.recorder.payloads).toEqual(['1', '2']);
      watcher.end();
    });

    it('answers PUBREL of an unknown id with PUBCOMP, and takes a publish under that id afterwards', async () => {
      client.send({ cmd: 'pubrel', messageId: 9 });
      expect((await client.next('pubcomp')).messageId).toBe(9);
      client.send(publishPacket(TOPIC, '1', 2, 9));
      await client.next('pubrec');
      expect(box.recorder.payloads).toEqual(['1']);
    });

    it('is not handled again when its client comes back to its session before PUBREL', async () => {
      const first = await RawClient.connect(box.port, 'stays', { clean: false });
      first.send(publishPacket(TOPIC, '1', 2, 3));
      await first.next('pubrec');
      first.end();
      const second = await RawClient.connect(box.port, 'stays', { clean: false });
      second.send(publishPacket(TOPIC, '1', 2, 3, { dup: true }));
      await second.next('pubrec');
      second.send({ cmd: 'pubrel', messageId: 3 });
      await second.next('pubcomp');
      expect(box.recorder.payloads).toEqual(['1']);
      second.end();
    });

    it('may be half open 1,000 times; one more closes the client', async () => {
      client.send(...Array.from({ length: 1_000 }, (_, i) => publishPacket(TOPIC, `${i}`, 2, i + 1)));
      await client.next('pubrec', 1_000);
      expect(box.recorder.messages).toHaveLength(1_000);
      client.send(publishPacket(TOPIC, 'too many', 2, 1_001));
      await client.closed();
      expect(box.recorder.messages).toHaveLength(1_000);
      expect(box.counter('refused.half_open')).toBe(1);
    });
  });
});

describe('link.publish', () => {
  let box: Box;
  beforeEach(async () => {
    box = await startBox();
  });
  afterEach(async () => {
    await box.close();
  });

  it('waits for our own handlers, and then reaches subscribers', async () => {
    const watcher = await RawClient.connect(box.port, 'watcher');
    await watcher.subscribe(1, '#');
    const slow = gate();
    box.recorder.behaviour = () => slow.promise;
    let accepted = false;
    const published = box.publisher.publish({ topic: TOPIC, payload: '1', qos: 1 }).then(() => (accepted = true));
    await eventually('the handler has it', () => box.recorder.messages.length === 1);
    await watcher.ping();
    expect(accepted).toBe(false);
    expect(watcher.of('publish')).toEqual([]);
    slow.open();
    await published;
    await watcher.next('publish');
    expect(box.recorder.messages[0]!.clientId).toBeNull();
    watcher.end();
  });

  it('gives what goes down to a device to its subscribers only', async () => {
    const device = await RawClient.connect(box.port, 'a');
    await device.subscribe(1, 'devices/a/down/#');
    await box.publisher.publish({ topic: 'devices/a/down/up/telemetry', payload: '1', qos: 1 });
    await device.next('publish');
    expect(box.recorder.batches).toEqual([]);
    device.end();
  });

  it.each(['', 'a/+', '$SYS/x', 'x'.repeat(300)])('refuses the topic %j with a code', async (topic) => {
    await expect(box.publisher.publish({ topic, payload: '1', qos: 1 })).rejects.toMatchObject({
      code: 'PUBLISH_REFUSED',
    });
  });

  it('shows what goes down to no handler, although one matches', async () => {
    const topic = 'devices/a/down/odd';
    await box.publisher.publish({ topic, payload: 'ours', qos: 1 });
    const device = await RawClient.connect(box.port, 'a');
    device.send(publishPacket(topic, 'not ours', 1, 1));
    await device.next('puback');
    expect(box.recorder.payloads).toEqual(['not ours']);
    device.end();
  });

  it('fails with BROKER_TIMEOUT where our handlers take longer than 10 s', async () => {
    const slow = gate();
    box.recorder.behaviour = () => slow.promise;
    const startedAt = performance.now();
    const publishing = box.publisher.publish({ topic: TOPIC, payload: '1', qos: 1 });
    await expect(publishing).rejects.toMatchObject({ code: 'BROKER_TIMEOUT' });
    expect(performance.now() - startedAt).toBeGreaterThan(9_500);
    slow.open();
  });

  it('refuses a retained message for which there is no room with a code', async () => {
    const publish = (i: number): Promise<void> =>
      box.publisher.publish({ topic: `devices/d/x/${i}`, payload: '1', qos: 1, retain: true });
    for (let i = 0; i < 16; i++) await publish(i);
    await expect(publish(16)).rejects.toMatchObject({ code: 'PUBLISH_REFUSED' });
  });

  it('refuses a payload over 256 KiB with a code', async () => {
    const payload = Buffer.alloc(256 * 1_024 + 1);
    await expect(box.publisher.publish({ topic: 'a', payload, qos: 1 })).rejects.toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
    });
  });

  it('fails with BROKER_UNAVAILABLE once the broker has stopped', async () => {
    const { publisher } = box;
    await box.close();
    await expect(publisher.publish({ topic: 'a', payload: '1', qos: 1 })).rejects.toMatchObject({
      code: 'BROKER_UNAVAILABLE',
    });
    box = await startBox();
  });
});
