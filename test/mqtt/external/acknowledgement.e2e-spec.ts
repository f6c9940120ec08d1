import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { MqttClient } from 'mqtt';
import { connectMqtt } from '../../support/mqtt.js';
import { eventually } from '../../support/eventually.js';
import { describeWith, type Mosquitto, startMosquitto } from '../../support/services.js';
import { captureLog, type LinkOptions, startLink } from '../support/external.js';
import { startOldBroker } from '../support/old-broker.js';
import { startWire, type Wire } from '../support/wire.js';

const SEAT = 'group-seat-1';

describeWith(['mosquitto'], 'acknowledgements to an external broker', () => {
  let mosquitto: Mosquitto;
  let wire: Wire;
  let device: MqttClient;
  let ends: (() => Promise<void>)[] = [];

  const start = async (options: LinkOptions = {}) => {
    const box = await startLink(`mqtt://127.0.0.1:${wire.port}`, options);
    ends.unshift(box.close);
    return box;
  };
  const publish = async (count: number, size = 0, from = 0): Promise<void> => {
    const text = (i: number): string => String(i).padEnd(size, '.');
    await Promise.all(
      Array.from({ length: count }, (_, i) =>
        device.publishAsync('devices/d/up/telemetry', text(i + from), { qos: 1 }),
      ),
    );
  };

  beforeEach(async () => {
    captureLog();
    mosquitto = await startMosquitto({ config: 'max_inflight_messages 1000\nmax_queued_messages 10000' });
    wire = await startWire(mosquitto.port);
    device = await connectMqtt(mosquitto.url);
    ends = [() => device.endAsync(true), () => wire.stop(), () => mosquitto.stop()];
  });
  afterEach(async () => {
    for (const end of ends) await end();
  });

  it.each(['5', '3.1.1'] as const)(
    'leave in the order of arrival, none before its handler is done, over MQTT %s',
    async (protocol) => {
      if (protocol === '3.1.1') {
        const old = await startOldBroker(mosquitto.port);
        ends.splice(-1, 0, () => old.stop());
        await wire.stop();
        wire = await startWire(old.port);
      }
      const box = await start();
      expect(box.link.capabilities.protocol).toBe(protocol);
      await publish(200);
      await eventually('all are being handled', () => box.deliveries.length === 200);
      expect(wire.of('puback', SEAT)).toEqual([]);
      for (const delivery of box.deliveries.slice(1).toReversed()) delivery.ack();
      // A whole round trip on another connection: what was to leave has left.
      await box.link.publish({ topic: 'x', payload: '', qos: 1 });
      expect(wire.of('puback', SEAT)).toEqual([]);
      box.deliveries[0]!.ack();
      await eventually('all are acknowledged', () => wire.of('puback', SEAT).length === 200);
      const ids = (cmd: 'publish' | 'puback'): unknown[] => wire.of(cmd, SEAT).map((packet) => packet.messageId);
      expect(ids('puback')).toEqual(ids('publish'));
      expect(box.counter('acked')).toBe(200);
    },
  );

  it('do not wait for a message of QoS 0 that is still being handled, which a stop waits for', async () => {
    const box = await start();
    await device.publishAsync('devices/d/up/telemetry', 'slow', { qos: 0 });
    await publish(2);
    await eventually('all are being handled', () => box.deliveries.length === 3);
    for (const delivery of box.deliveries.slice(1)) delivery.ack();
    await eventually('both are acknowledged', () => wire.of('puback', SEAT).length === 2);
    let stopped = false;
    const stop = box.link.stopIntake().then(() => (stopped = true));
    await publish(1);
    expect(stopped).toBe(false);
    box.deliveries[0]!.ack();
    await stop;
    expect(box.counter('acked')).toBe(3);
  });

  it('asks Mosquitto for many in flight', async () => {
    const box = await start();
    await publish(1_500);
    await eventually('as many as we bear', () => box.deliveries.length === 1_000);
    box.deliveries[0]!.ack();
    await eventually('one more', () => box.deliveries.length === 1_001);
    expect(box.counter('received')).toBe(1_001);
  });

  it('gets what failed again, and everything else that was in flight, on a new connection', async () => {
    const box = await start();
    await publish(3);
    await eventually('all are being handled', () => box.deliveries.length === 3);
    box.deliveries[1]!.fail(new Error('not stored'));
    box.deliveries[0]!.ack();
    box.deliveries[2]!.ack();
    await eventually('they came again', () => box.deliveries.length === 6);
    expect(box.texts()).toEqual(['0', '1', '2', '0', '1', '2']);
    expect(wire.of('puback', SEAT)).toEqual([]);
    expect(box.counter('stale_acks')).toBe(2);
    expect(wire.of('connect', SEAT)).toHaveLength(2);
    for (const delivery of box.deliveries.slice(3)) delivery.ack();
    await eventually('all are acknowledged', () => wire.of('puback', SEAT).length === 3);
    expect(box.counter('failed')).toBe(1);
  });

  it('reads no more than 32 MiB ahead of the handlers, and all the rest once they go on', async () => {
    const box = await start();
    const size = 200_000;
    await publish(250, size);
    await eventually('as much as we bear', () => box.deliveries.length >= 160);
    await publish(1, size, 250);
    await box.link.publish({ topic: 'x', payload: '', qos: 1 });
    expect(box.deliveries.length * size).toBeLessThan(33.6 * 1_048_576);
    box.onDelivery = (delivery) => delivery.ack();
    for (const delivery of box.deliveries) delivery.ack();
    await eventually('all are acknowledged', () => wire.of('puback', SEAT).length === 251);
    expect(wire.of('connect', SEAT)).toHaveLength(1);
  });

  it('keeps the connection while nothing is read for longer than the keepalive', async () => {
    const box = await start({ keepalive: 1 });
    await publish(1_001);
    await eventually('as many as we bear', () => box.deliveries.length === 1_000);
    await eventually('pings leave', () => wire.of('pingreq', SEAT).length >= 6);
    for (const delivery of box.deliveries) delivery.ack();
    await eventually('the last came too', () => box.deliveries.length === 1_001);
    expect(wire.of('connect', SEAT)).toHaveLength(1);
  });

  it('takes QoS 0 without an acknowledgement, and QoS 2 as QoS 1', async () => {
    const box = await start();
    await device.publishAsync('devices/d/up/telemetry', 'zero', { qos: 0 });
    await device.publishAsync('devices/d/up/telemetry', 'two', { qos: 2 });
    await eventually('both came', () => box.deliveries.length === 2);
    expect(box.deliveries.map(({ message }) => message.qos)).toEqual([0, 1]);
    for (const delivery of box.deliveries) delivery.ack();
    await eventually('one is acknowledged', () => wire.of('puback', SEAT).length === 1);
    expect(box.counter('acked')).toBe(2);
  });

  it('tells a publish with RETAIN, where the broker speaks MQTT 5, and gets no replay when it connects again', async () => {
    const box = await start({ filters: ['demo/#'] });
    box.onDelivery = (delivery) => delivery.ack();
    await device.publishAsync('demo/x', 'kept', { qos: 1, retain: true });
    await eventually('it is acknowledged', () => wire.of('puback', SEAT).length === 1);
    wire.cut(SEAT);
    await eventually('it is up', () => wire.of('suback', SEAT).length === 2 && box.link.status === 'up');
    await device.publishAsync('demo/x', 'live', { qos: 1 });
    await eventually('it came', () => box.texts().includes('live'));
    expect(box.deliveries.map(({ message: { retain, replayed } }) => [retain, replayed])).toEqual([
      [true, false],
      [false, false],
    ]);
  });

  it('tells a replay of Mosquitto to a shared subscription with MQTT 3.1.1', async () => {
    await device.publishAsync('demo/x', 'kept', { qos: 1, retain: true });
    const old = await startOldBroker(mosquitto.port);
    ends.splice(-1, 0, () => old.stop());
    const box = await startLink(`mqtt://127.0.0.1:${old.port}`, { filters: ['demo/#'] });
    ends.unshift(box.close);
    await eventually('it came', () => box.deliveries.length === 1);
    expect(box.deliveries[0]!.message).toMatchObject({ retain: false, replayed: true });
  });

  it('acknowledges what comes on a topic that we do not read, and says so', async () => {
    const box = await start();
    await device.publishAsync('devices/d/up/a/b/c/d/e/f', 'deep', { qos: 1 });
    await eventually('it is acknowledged', () => wire.of('puback', SEAT).length === 1);
    expect(box.deliveries).toEqual([]);
    expect(box.counter('refused.topic')).toBe(1);
  });
});
