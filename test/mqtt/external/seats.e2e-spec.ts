import { spawn } from 'node:child_process';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { MqttClient } from 'mqtt';
import { LEASE_MS } from '../../../src/mqtt/seat.store.js';
import { connectMqtt } from '../../support/mqtt.js';
import { eventually } from '../../support/eventually.js';
import { describeWith, type Mosquitto, services, startMosquitto } from '../../support/services.js';
import { startTcpProxy } from '../../support/tcp-proxy.js';
import { captureLog, type LinkOptions, startLink } from '../support/external.js';
import { MemorySeatStore, SeatTable } from '../support/memory-seat.store.js';
import { startWire, type Wire } from '../support/wire.js';

describeWith(['mosquitto', 'mosquittoClients'], 'the reading sessions', () => {
  let mosquitto: Mosquitto;
  let wire: Wire;
  let device: MqttClient;
  let ends: (() => Promise<void>)[];

  const start = async (options: LinkOptions = {}, port = wire.port) => {
    const box = await startLink(`mqtt://127.0.0.1:${port}`, { seats: 4, ...options });
    ends.unshift(box.close);
    return box;
  };
  const publish = (text: string, topic = 'devices/d/up/telemetry') => device.publishAsync(topic, text, { qos: 1 });
  const seats = (): string[] => [1, 2, 3, 4].map((n) => `group-seat-${n}`);

  beforeEach(async () => {
    captureLog();
    mosquitto = await startMosquitto();
    wire = await startWire(mosquitto.port);
    device = await connectMqtt(mosquitto.url);
    ends = [() => device.endAsync(true), () => wire.stop(), () => mosquitto.stop()];
  });
  afterEach(async () => {
    for (const end of ends) await end();
  });

  it('are one durable session each, with an id that does not depend on the replica', async () => {
    const box = await start();
    expect(box.counter('seats')).toBe(4);
    for (const clientId of seats()) {
      expect(wire.of('connect', clientId)).toMatchObject([
        { clean: false, properties: { sessionExpiryInterval: 604_800 } },
      ]);
    }
  });

  it('that others hold do not keep a replica from starting, also where the database answers after the broker', async () => {
    const store = new MemorySeatStore();
    store.answer = { held: [], surplus: [] };
    let answer!: () => void;
    store.gate = new Promise((resolve) => (answer = resolve));
    const starting = start({ store });
    await eventually('it is connected', () => wire.of('connack').length > 0);
    await (await connectMqtt(`mqtt://127.0.0.1:${wire.port}`)).endAsync();
    const before = performance.now();
    answer();
    const box = await starting;
    expect(performance.now() - before).toBeLessThan(2_000);
    expect([box.counter('seats'), box.link.status]).toEqual([0, 'up']);
  });

  it('do not double messages where an older version had subscribed to less', async () => {
    const older = await start({ seats: 1, filters: ['devices/+/up/telemetry'] });
    await older.close();
    const box = await start({ seats: 1, filters: ['devices/+/up/telemetry', 'devices/+/up/#'] });
    await publish('1');
    await publish('2', 'devices/d/up/events/x');
    await eventually('both came', () => box.texts().includes('2'));
    expect(box.texts()).toEqual(['1', '2']);
  });

  it('end at once where the lease was taken, and are not opened again', async () => {
    const box = await start();
    await publish('1');
    await eventually('it is being handled', () => box.deliveries.length === 1);
    box.store.answer = { held: ['2', '3', '4'], surplus: [] };
    box.store.change();
    await eventually('three are left', () => box.counter('seats') === 3);
    for (const more of [1, 2]) {
      const { renewals } = box.store;
      box.store.change();
      await eventually(`it has renewed ${more} times more`, () => box.store.renewals > renewals);
    }
    await (await connectMqtt(`mqtt://127.0.0.1:${wire.port}`)).endAsync();
    expect(wire.of('connect', 'group-seat-1')).toHaveLength(1);
    expect(wire.of('disconnect', 'group-seat-1')).toEqual([]);
    expect(box.link.status).toBe('up');
  });

  it('are not read any more when the leases have run out, and are again when they are renewed', async () => {
    const box = await start({ seats: 1 });
    box.store.failure = new Error('the database is away');
    await eventually('the lease has run out', () => box.counter('seats') === 0, LEASE_MS + 5_000);
    await publish('while we may not read');
    expect(box.link.status).toBe('up');
    expect(box.deliveries).toEqual([]);
    box.store.failure = null;
    await eventually('it is read', () => box.texts()[0] === 'while we may not read');
    expect(wire.of('connect', 'group-seat-1')).toHaveLength(2);
  });

  it('handle nothing on a connection on which it came while the process stood still for longer than the lease', async () => {
    const direct = await startLink(mosquitto.url, { seats: 1, shareGroup: 'asleep' });
    ends.unshift(direct.close);
    const args = ['-p', String(mosquitto.port), '-q', '1', '-t', 'devices/d/up/telemetry', '-m', 'late'];
    const child = spawn('sh', ['-c', 'sleep 1; exec "$0" "$@"', services.mosquittoClients!, ...args]);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LEASE_MS + 500);
    await eventually('it was read', () => direct.deliveries.length > 0);
    // Mosquitto sends it again only on another connection.
    direct.deliveries[0]!.ack();
    await eventually('the publisher has ended', () => child.exitCode === 0);
    expect(direct.counter('received')).toBe(1);
    expect(direct.counter('stale_acks')).toBe(0);
  }, 40_000);

  it('are drained and given back where others hold too few', async () => {
    const box = await start();
    box.onDelivery = () => {};
    await Promise.all(Array.from({ length: 8 }, (_, i) => publish(String(i))));
    await eventually('all are being handled', () => box.deliveries.length === 8);
    box.store.answer = { held: ['1', '2', '3', '4'], surplus: ['3', '4'] };
    box.store.change();
    await publish('9').then(() => publish('10'));
    expect(box.store.released).toEqual([]);
    for (const delivery of box.deliveries) delivery.ack();
    await eventually('both are given back', () => box.store.released.length === 2);
    for (const clientId of ['group-seat-3', 'group-seat-4']) {
      expect(wire.of('disconnect', clientId)).toHaveLength(1);
      // What was in flight is acknowledged, and nothing else was taken in.
      expect(wire.of('puback', clientId)).toHaveLength(2);
    }
    expect(box.store.released.toSorted()).toEqual(['3', '4']);
    expect(wire.of('disconnect', 'group-seat-1')).toEqual([]);
  });

  it('that are being given back are not opened again by a renewal that was already on its way', async () => {
    const box = await start();
    await Promise.all(Array.from({ length: 4 }, (_, i) => publish(String(i))));
    await eventually('each is handling one', () => box.deliveries.length === 4);
    box.store.answer = { held: ['1', '2', '3', '4'], surplus: ['4'] };
    const before = box.store.renewals;
    box.store.change();
    await eventually('it knows that it is to give one back', () => box.store.renewals > before);
    await box.link.publish({ topic: 'x', payload: '', qos: 1 });
    let answer!: () => void;
    box.store.gate = new Promise((resolve) => (answer = resolve));
    box.store.change();
    for (const delivery of box.deliveries) delivery.ack();
    await eventually('it has left', () => wire.of('disconnect', 'group-seat-4').length === 1);
    expect(box.store.released).toEqual([]);
    answer();
    await eventually('it is given back', () => box.store.released.length === 1);
    box.store.answer = { held: ['1', '2', '3'], surplus: [] };
    // Another connection has been made: one that was begun before would be there too.
    await (await connectMqtt(`mqtt://127.0.0.1:${wire.port}`)).endAsync();
    expect(wire.of('connect', 'group-seat-4')).toHaveLength(1);
  });

  it('are shared by replicas as they come, handed over at once when one drains, and nothing is lost or doubled', async () => {
    const table = new SeatTable();
    const a = await start({ store: table.join('a') });
    const b = await start({ store: table.join('b') });
    for (const box of [a, b]) box.onDelivery = (delivery) => delivery.ack();
    await eventually('each holds two', () => a.counter('seats') === 2 && b.counter('seats') === 2);
    await eventually('both are up', () => a.link.status === 'up' && b.link.status === 'up');
    for (let i = 0; i < 20; i++) await publish(String(i));
    await eventually('all were read', () => a.deliveries.length + b.deliveries.length === 20);
    expect(a.deliveries.length).toBeGreaterThan(0);
    expect(b.deliveries.length).toBeGreaterThan(0);
    const before = performance.now();
    await a.link.stopIntake();
    await eventually('b holds all', () => b.counter('seats') === 4 && b.link.status === 'up');
    expect(performance.now() - before).toBeLessThan(3_000);
    for (let i = 20; i < 40; i++) await publish(String(i));
    await eventually('all were read', () => a.deliveries.length + b.deliveries.length === 40);
    expect(new Set([...a.texts(), ...b.texts()]).size).toBe(40);
  });

  it('of a dead replica are taken over within the lease, with all that it had not acknowledged', async () => {
    const table = new SeatTable();
    const proxy = await startTcpProxy(mosquitto.port);
    ends.unshift(() => proxy.stop());
    const store = table.join('a');
    const a = await start({ store }, proxy.port);
    const b = await start({ store: table.join('b') });
    await eventually('each holds two', () => a.counter('seats') === 2 && b.counter('seats') === 2);
    await eventually('both are up', () => a.link.status === 'up' && b.link.status === 'up');
    b.onDelivery = (delivery) => delivery.ack();
    for (let i = 0; i < 20; i++) await publish(String(i));
    await eventually('a has its part', () => a.deliveries.length + b.deliveries.length === 20);
    const died = performance.now();
    store.dead = true;
    proxy.stall();
    await eventually('b has all', () => new Set(b.texts()).size === 20, LEASE_MS + 5_000);
    expect(performance.now() - died).toBeLessThan(LEASE_MS + 3_500);
    // Its handlers end now: that harms nobody.
    for (const delivery of a.deliveries) delivery.ack();
    expect(table.holders).toEqual({ 1: 'b', 2: 'b', 3: 'b', 4: 'b' });
  }, 40_000);

  it('leave the database when the replica stops, after what was in flight is acknowledged', async () => {
    const box = await start({ seats: 1 });
    await publish('1');
    await eventually('it is being handled', () => box.deliveries.length === 1);
    const stopped = box.link.stopIntake();
    await publish('2');
    expect(box.store.left).toBe(false);
    box.deliveries[0]!.ack();
    await stopped;
    expect(box.store.left).toBe(true);
    expect(wire.of('puback', 'group-seat-1')).toHaveLength(1);
    expect(wire.of('disconnect', 'group-seat-1')).toHaveLength(1);
    expect(box.texts()).toEqual(['1']);
    await box.link.close();
    expect(box.link.status).toBe('stopped');
  });
});
