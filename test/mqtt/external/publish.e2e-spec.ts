import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Packet } from 'mqtt-packet';
import { eventually } from '../../support/eventually.js';
import { captureLog, type LinkOptions, startLink } from '../support/external.js';
import { type FakeConnection, startFakeBroker } from '../support/fake-broker.js';

describe('publishing to an external broker', () => {
  let broker: Awaited<ReturnType<typeof startFakeBroker>>;
  let ends: (() => Promise<void>)[] = [];

  const start = async (options: LinkOptions = {}) => {
    const box = await startLink(broker.url, { clientId: 'outbox', ...options });
    ends.unshift(box.close);
    return box;
  };
  /** Publishes wait for the test; everything else is accepted. */
  const held: Extract<Packet, { cmd: 'publish' }>[] = [];
  const hold = (_packet: Packet, connection: FakeConnection): boolean => {
    if (_packet.cmd !== 'publish' || connection.clientId !== 'outbox') return false;
    held.push(_packet);
    return true;
  };
  const message = { topic: 'demo/x', payload: 'text', qos: 1 } as const;

  beforeEach(async () => {
    captureLog();
    held.length = 0;
    broker = await startFakeBroker();
    ends = [broker.stop];
  });
  afterEach(async () => {
    for (const end of ends) await end();
  });

  it.each([
    [1, 'puback'],
    [2, 'pubcomp'],
  ] as const)('ends with QoS %i when the broker has sent its %s', async (qos, last) => {
    const box = await start();
    broker.behaviour = (packet, connection) => {
      if (packet.cmd === 'pubrel') held.push(packet as never);
      return packet.cmd === 'pubrel' || (qos === 1 && hold(packet, connection));
    };
    let done = false;
    const published = box.link.publish({ ...message, qos }).then(() => (done = true));
    await eventually('the broker has it', () => held.length === 1);
    expect(done).toBe(false);
    broker.of('outbox')[0]!.send({ cmd: last, messageId: held[0]!.messageId! });
    await published;
  });

  it.each([
    ['a wildcard', 'demo/#'],
    ['a topic of the broker', '$SYS/x'],
    ['nothing', ''],
  ])('refuses %s as a topic before the broker sees it', async (_, topic) => {
    const box = await start();
    await expect(box.link.publish({ ...message, topic })).rejects.toMatchObject({ code: 'PUBLISH_REFUSED' });
    expect(broker.of('outbox')[0]!.of('publish')).toEqual([]);
  });

  it('refuses a payload of more than 256 KiB, or more than the broker takes', async () => {
    const box = await start();
    const publish = (bytes: number) => box.link.publish({ ...message, payload: Buffer.alloc(bytes) });
    await publish(262_144);
    await expect(publish(262_145)).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
  });

  it('respects the largest packet that the broker takes', async () => {
    broker.behaviour = (packet, connection) => {
      if (packet.cmd !== 'connect') return false;
      const properties = { maximumPacketSize: 100 };
      connection.send({ cmd: 'connack', sessionPresent: false, reasonCode: 0, properties });
      return true;
    };
    const box = await start();
    const publish = (bytes: number) => box.link.publish({ ...message, payload: Buffer.alloc(bytes) });
    await expect(publish(100)).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
    await publish(80);
  });

  it('says what the broker refuses', async () => {
    const box = await start();
    broker.behaviour = (packet, connection) => {
      if (packet.cmd !== 'publish') return false;
      connection.send({ cmd: 'puback', messageId: packet.messageId!, reasonCode: 0x87 });
      return true;
    };
    await expect(box.link.publish(message)).rejects.toMatchObject({
      code: 'PUBLISH_REFUSED',
      message: expect.stringContaining('Not authorized'),
    });
  });

  it('takes "no matching subscribers" for accepted', async () => {
    const box = await start();
    broker.behaviour = (packet, connection) => {
      if (packet.cmd !== 'publish') return false;
      connection.send({ cmd: 'puback', messageId: packet.messageId!, reasonCode: 0x10 });
      return true;
    };
    await box.link.publish(message);
  });

  it('has no more in flight than the broker bears, and sends the others as it answers', async () => {
    broker.behaviour = (packet, connection) => {
      if (packet.cmd !== 'connect') return hold(packet, connection);
      const properties = { receiveMaximum: 3 };
      connection.send({ cmd: 'connack', sessionPresent: false, reasonCode: 0, properties });
      return true;
    };
    const box = await start();
    const published = Promise.all(Array.from({ length: 10 }, () => box.link.publish(message)));
    const [connection] = broker.of('outbox');
    for (let answered = 0; answered < 10; answered++) {
      const expected = Math.min(10, answered + 3);
      await eventually(`${expected} were sent`, () => held.length >= expected);
      expect(held).toHaveLength(expected);
      connection!.send({ cmd: 'puback', messageId: held[answered]!.messageId! });
    }
    await published;
  });

  it('takes no more than it can keep while the broker does not answer', async () => {
    broker.behaviour = hold;
    const box = await start();
    const payload = Buffer.alloc(250_000);
    const results = Array.from({ length: 100 }, () =>
      box.link.publish({ ...message, payload }).then(
        () => 'sent',
        (error: { code: string }) => error.code,
      ),
    );
    await expect(Promise.race(results.slice(-1))).resolves.toBe('BROKER_UNAVAILABLE');
    broker.of('outbox')[0]!.end();
    expect(new Set(await Promise.all(results))).toEqual(new Set(['BROKER_UNAVAILABLE']));
  });

  it('says after 10 s that the broker does not answer, and connects anew', async () => {
    const box = await start();
    broker.behaviour = hold;
    await expect(box.link.publish(message)).rejects.toMatchObject({ code: 'BROKER_TIMEOUT' });
    broker.behaviour = () => false;
    await eventually('it is connected again', () => box.link.status === 'up');
    await box.link.publish(message);
    expect(broker.of('outbox')).toHaveLength(2);
  });

  it('goes on while all that may be in flight is being handled', async () => {
    const box = await start();
    const seat = await eventually('the seat is there', () => broker.of('group-seat-1')[0]);
    const readings = Array.from({ length: 1_100 }, (_, i) => ({
      cmd: 'publish' as const,
      topic: 'devices/d/up/telemetry',
      payload: '1',
      qos: 1 as const,
      messageId: i + 1,
      retain: false,
      dup: false,
    }));
    seat.send(...readings);
    await eventually('the reading has stopped', () => box.deliveries.length === 1_000);
    await box.link.publish(message);
  });
});
