import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { MqttClient } from 'mqtt';
import { connectMqtt, listenTo } from '../../support/mqtt.js';
import { eventually } from '../../support/eventually.js';
import { describeWith, type Mosquitto, startMosquitto } from '../../support/services.js';
import { captureLog, type LinkOptions, startLink } from '../support/external.js';
import { SeatTable } from '../support/memory-seat.store.js';
import { startOldBroker } from '../support/old-broker.js';
import { startWire, type Wire } from '../support/wire.js';

const TOPIC = 'services/signalbox/status';

describeWith(['mosquitto'], 'up/status and our own status at an external broker', () => {
  let mosquitto: Mosquitto;
  let wire: Wire;
  let other: MqttClient;
  let ends: (() => Promise<void>)[];

  const start = async (options: LinkOptions = {}, port = wire.port) => {
    const box = await startLink(`mqtt://127.0.0.1:${port}`, { seats: 2, ...options });
    ends.unshift(box.close);
    box.onDelivery = (delivery) => delivery.ack();
    return box;
  };
  const tell = (id: string, retain: boolean) =>
    other.publishAsync(`devices/${id}/up/status`, `{"online":true,"session":"${id}"}`, { qos: 1, retain });

  beforeEach(async () => {
    captureLog();
    mosquitto = await startMosquitto();
    wire = await startWire(mosquitto.port);
    other = await connectMqtt(mosquitto.url);
    ends = [() => other.endAsync(true), () => wire.stop(), () => mosquitto.stop()];
  });
  afterEach(async () => {
    for (const end of ends) await end();
  });

  it('come once, replayed where they were retained, and live ones not', async () => {
    await tell('before', true);
    const box = await start();
    await eventually('the retained one came', () => box.deliveries.length === 1);
    box.deliveries[0]!.ack();
    await tell('after', true);
    await tell('plain', false);
    await eventually('all three came', () => box.deliveries.length === 3);
    // The seats got theirs too, and acknowledged them without handing them on.
    await eventually('the seats acknowledged', () => box.counter('acked') === 5);
    const got = box.deliveries.map(({ message: { topic, replayed } }) => [topic.split('/')[1], replayed]);
    expect(got).toEqual([
      ['before', true],
      ['after', false],
      ['plain', false],
    ]);
  });

  it('stand beside the answers to commands, which come once each and in their order whatever the number of seats', async () => {
    const box = await start({ seats: 4 });
    const texts = Array.from({ length: 200 }, (_, i) => String(i));
    await Promise.all(texts.map((text) => other.publishAsync('devices/d/up/commands/c', text, { qos: 1 })));
    await eventually('all came', () => box.deliveries.length >= texts.length);
    await eventually('the seats acknowledged theirs', () => box.counter('acked') === 2 * texts.length);
    expect(box.deliveries.map(({ message }) => message.payload.toString())).toEqual(texts);
  });

  it('are not subscribed to where no handler wants them', async () => {
    await start({ filters: ['demo/#'] });
    expect(wire.of('connect', 'group-status')).toHaveLength(1);
    expect(wire.of('subscribe', 'group-status')).toEqual([]);
  });

  it('are read by the holder of seat 1 only', async () => {
    const box = await start();
    box.store.answer = { held: ['2'], surplus: [] };
    box.store.change();
    await eventually('seat 1 is gone', () => box.counter('seats') === 1);
    await tell('d', false);
    await box.link.publish({ topic: 'x', payload: '', qos: 1 });
    expect(box.deliveries).toEqual([]);
    box.store.answer = null;
    box.store.change();
    await eventually('it was kept in the session', () => box.deliveries.length === 1);
  });

  it('say that we are online, and the last replica says that it goes', async () => {
    const heard = await listenTo(other, TOPIC);
    const box = await start();
    await heard.next('online', ({ payload }) => payload === '{"online":true}');
    await box.link.stopIntake();
    await heard.next('offline', ({ payload }) => payload === '{"online":false}');
    const late = await listenTo(await connectMqtt(mosquitto.url), TOPIC);
    await late.next('it is retained', ({ payload }) => payload === '{"online":false}');
  });

  it('do not say that we are offline while another replica takes over', async () => {
    const heard = await listenTo(other, TOPIC);
    const table = new SeatTable();
    const a = await start({ store: table.join('a') });
    const b = await start({ store: table.join('b') });
    await eventually('each holds one', () => a.counter('seats') === 1 && b.counter('seats') === 1);
    await eventually('both are up', () => a.link.status === 'up' && b.link.status === 'up');
    await a.link.stopIntake();
    await eventually('b holds both', () => b.counter('seats') === 2 && b.link.status === 'up');
    await eventually('b says so', () => heard.received.length === 2);
    expect(heard.received.map(({ payload }) => payload)).toEqual(['{"online":true}', '{"online":true}']);
    expect(wire.of('disconnect', 'group-status')).toMatchObject([{ reasonCode: 4 }]);
  });

  it('leave the rest to the will, which waits for a replica that takes over', async () => {
    await start();
    expect(wire.of('connect', 'group-status')[0]!.will).toMatchObject({
      topic: TOPIC,
      retain: true,
      qos: 1,
      properties: { willDelayInterval: 15 },
    });
    for (const clientId of ['group-seat-1', 'group-seat-2']) {
      expect(wire.of('connect', clientId)[0]!.will).toBeUndefined();
    }
  });

  it('say that we go with MQTT 3.1.1 and one seat, where another replica cannot be told from none', async () => {
    const old = await startOldBroker(mosquitto.port);
    ends.splice(-1, 0, () => old.stop());
    const heard = await listenTo(other, TOPIC);
    const box = await start({ seats: 1 }, old.port);
    await heard.next('online', ({ payload }) => payload === '{"online":true}');
    await box.link.stopIntake();
    await heard.next('offline', ({ payload }) => payload === '{"online":false}');
  });

  it('have a will with MQTT 3.1.1 too', async () => {
    const old = await startOldBroker(mosquitto.port);
    ends.splice(-1, 0, () => old.stop());
    const heard = await listenTo(other, TOPIC);
    const box = await start({}, old.port);
    await heard.next('online', ({ payload }) => payload === '{"online":true}');
    expect(box.link.capabilities.protocol).toBe('3.1.1');
    await old.stop();
    await heard.next('offline', ({ payload }) => payload === '{"online":false}');
  });
});
