import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Packet } from 'mqtt-packet';
import { eventually } from '../../support/eventually.js';
import { captureLog, type LinkOptions, startLink } from '../support/external.js';
import { type FakeConnection, startFakeBroker } from '../support/fake-broker.js';
import { publishPacket } from '../support/raw-client.js';

const SEAT = 'group-seat-1';

describe('the external link at a broker that misbehaves', () => {
  let broker: Awaited<ReturnType<typeof startFakeBroker>>;
  let log: ReturnType<typeof captureLog>;
  let ends: (() => Promise<void>)[] = [];

  const start = async (options: LinkOptions = {}) => {
    const box = await startLink(broker.url, options);
    ends.unshift(box.close);
    return box;
  };
  const seat = (n = 1): Promise<FakeConnection> =>
    eventually(`connection ${n} of the seat is subscribed`, () => {
      const connection = broker.of(SEAT)[n - 1];
      return connection && connection.of('subscribe').length > 0 ? connection : null;
    });
  const reading = (payload: string, messageId: number): Packet =>
    publishPacket('devices/d/up/telemetry', payload, 1, messageId);
  const lines = (reason: string) => log.filter((line) => line['reason'] === reason);

  beforeEach(async () => {
    log = captureLog();
    broker = await startFakeBroker();
    ends = [broker.stop];
  });
  afterEach(async () => {
    for (const end of ends) await end();
  });

  it('never writes an acknowledgement on another connection than its message came from', async () => {
    const box = await start();
    const first = await seat(1);
    first.send(reading('old', 7));
    await eventually('it is being handled', () => box.deliveries.length === 1);
    first.end();
    const second = await seat(2);
    // The same packet id is another message there.
    second.send(reading('new', 7));
    await eventually('that one too', () => box.deliveries.length === 2);
    box.deliveries[0]!.ack();
    await box.link.publish({ topic: 'x', payload: '', qos: 1 });
    expect(second.of('puback')).toEqual([]);
    box.deliveries[1]!.ack();
    await eventually('only the second is acknowledged', () => second.of('puback').length === 1);
    expect(first.of('puback')).toEqual([]);
    expect(box.counter('stale_acks')).toBe(1);
  });

  it('subscribes on every connect, although the session is present', async () => {
    await start();
    (await seat(1)).end();
    const subscribed = (await seat(2)).of('subscribe')[0]!.subscriptions;
    expect(subscribed.map(({ topic, qos }) => ({ topic, qos }))).toEqual([
      { topic: '$share/group/devices/+/up/#', qos: 1 },
    ]);
    const [connect] = broker.of(SEAT)[1]!.of('connect');
    expect(connect).toMatchObject({ clean: false, protocolVersion: 5, properties: { receiveMaximum: 1_000 } });
  });

  it.each([
    ['a wrong login', 0x86, 'login', 'MQTT_USERNAME'],
    ['a server that is busy', 0x89, 'busy', 'by itself'],
    ['a client id that is refused', 0x85, 'client_id', 'MQTT_SHARE_GROUP'],
  ])('tries again after %s, says once what to do, and recovers', async (_, reasonCode, reason, advice) => {
    let refused = 0;
    broker.behaviour = (packet, connection) => {
      if (packet.cmd !== 'connect') return false;
      if (++refused > 9) return false;
      connection.send({ cmd: 'connack', sessionPresent: false, reasonCode });
      connection.end();
      return true;
    };
    const box = await start();
    expect(box.link.status).toBe('down');
    expect(lines(reason)).toHaveLength(1);
    expect(lines(reason)[0]!['hint']).toContain(advice);
    await eventually('it is up', () => box.link.status === 'up');
    expect(log.some(({ msg }) => msg === 'connected to the broker')).toBe(true);
  });

  it('is not up while a subscription is refused, reads what is granted, and asks again', async () => {
    let refusals = 2;
    broker.behaviour = (packet, connection) => {
      if (packet.cmd !== 'subscribe' || connection.clientId !== SEAT) return false;
      const granted = packet.subscriptions.map(({ topic }) => (topic.includes('demo') && refusals-- > 0 ? 0x87 : 1));
      connection.send({ cmd: 'suback', messageId: packet.messageId!, granted });
      return true;
    };
    const box = await start({ filters: ['devices/+/up/#', 'demo/#'] });
    expect(box.link.status).toBe('down');
    expect(lines('subscription')[0]!['msg']).toContain('$share/group/demo/#');
    const connection = await seat();
    connection.send(reading('1', 1));
    await eventually('it is read', () => box.deliveries.length === 1);
    await eventually('it is up', () => box.link.status === 'up');
    expect(connection.of('subscribe').map(({ subscriptions }) => subscriptions.length)).toEqual([2, 1, 1]);
    expect(broker.of(SEAT)).toHaveLength(1);
  });

  it('connects again where no answer to SUBSCRIBE or UNSUBSCRIBE comes within 10 s, and says so', async () => {
    const silent = new Set<string>();
    broker.behaviour = (packet, { clientId }) => {
      const isSilent = packet.cmd === (clientId === SEAT ? 'unsubscribe' : 'subscribe') && !silent.has(clientId);
      if (isSilent) silent.add(clientId);
      return isSilent;
    };
    const box = await start({ filters: ['devices/+/up/#', 'devices/+/up/telemetry'] });
    expect(silent.size).toBe(2);
    expect(box.link.status).toBe('down');
    await eventually('it is up', () => box.link.status === 'up', 20_000);
    expect(lines('error').map(({ msg }) => msg)).toEqual([expect.stringMatching(/did not answer (UN)?SUBSCRIBE/)]);
  });

  it('does not take QoS 0 for a subscription', async () => {
    let granted = 0;
    broker.behaviour = (packet, connection) => {
      if (packet.cmd !== 'subscribe' || connection.clientId !== SEAT) return false;
      connection.send({ cmd: 'suback', messageId: packet.messageId!, granted: [granted] });
      granted = 1;
      return true;
    };
    const box = await start();
    expect(box.link.status).toBe('down');
    await eventually('it is up', () => box.link.status === 'up');
  });

  it('connects again after a take-over only once it has looked at its lease', async () => {
    const box = await start();
    const connection = await seat();
    const before = box.store.renewals;
    connection.send({ cmd: 'disconnect', reasonCode: 0x8e });
    connection.end();
    await seat(2);
    expect(box.store.renewals).toBeGreaterThan(before);
    expect(lines('taken_over')[0]!['hint']).toContain('MQTT_SHARE_GROUP');
  });

  it('does not connect again where the lease was taken', async () => {
    const box = await start();
    const connection = await seat();
    box.store.answer = { held: [], surplus: [] };
    connection.send({ cmd: 'disconnect', reasonCode: 0x8e });
    connection.end();
    await eventually('the seat is given up', () => box.counter('seats') === 0 && box.link.status === 'up');
    expect(broker.of(SEAT)).toHaveLength(1);
  });

  it('gives a subscription up that the broker never answers, because the connection ends', async () => {
    broker.behaviour = (packet, connection) => {
      if (packet.cmd !== 'subscribe' || connection.clientId !== SEAT || broker.of(SEAT).length > 1) return false;
      connection.end();
      return true;
    };
    const box = await start();
    await eventually('it is up', () => box.link.status === 'up');
    expect(broker.of(SEAT).length).toBeGreaterThan(1);
  });

  it('speaks 3.1.1 with a broker that closes at the CONNECT of MQTT 5', async () => {
    broker.behaviour = (packet, connection) => {
      if (packet.cmd !== 'connect' || packet.protocolVersion !== 5) return false;
      connection.end();
      return true;
    };
    const box = await start();
    await eventually('it is up', () => box.link.status === 'up');
    expect(box.link.capabilities.protocol).toBe('3.1.1');
  });

  it('says once what to do where another installation takes the session over again and again', async () => {
    let ended = 0;
    broker.behaviour = (packet, connection) => {
      if (packet.cmd !== 'subscribe' || connection.clientId !== SEAT) return false;
      ended++;
      connection.send({ cmd: 'disconnect', reasonCode: 0x8e });
      connection.end();
      return true;
    };
    await start();
    await eventually('it was taken over five times', () => ended >= 5, 60_000);
    expect(lines('taken_over')).toHaveLength(1);
  });
});
