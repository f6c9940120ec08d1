import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ISubscribePacket } from 'mqtt-packet';
import { eventually } from '../support/eventually.js';
import { connectMqtt } from '../support/mqtt.js';
import { type Box, startBox } from './support/box.js';
import { RawClient } from './support/raw-client.js';
import { startWire } from './support/wire.js';

const TOPIC = 'devices/d1/down/commands/1';

describe('The receipt of a publish by the embedded broker', () => {
  let box: Box;
  let clients: RawClient[];
  let told: string[];

  const connect = async (clientId: string, clean = true) => {
    const client = await RawClient.connect(box.port, clientId, { clean });
    clients.push(client);
    return client;
  };
  const listen = async (clientId = 'd1', clean = true) => {
    const client = await connect(clientId, clean);
    await client.subscribe(1, 'devices/d1/down/#');
    return client;
  };
  const send = (name: string, topic = TOPIC): Promise<void> => {
    const receipt = { clientId: 'd1', onAcknowledged: () => told.push(name) };
    return box.publisher.publish({ topic, payload: name, qos: 1, receipt });
  };
  const puback = (messageId: number) => ({ cmd: 'puback', messageId }) as const;
  /** The packet that went out to `client` with this payload. */
  const packet = (client: RawClient, name: string) =>
    eventually(`${name} arrived`, () => client.of('publish').find(({ payload }) => payload.toString() === name));
  const open = (): number => Reflect.get(Reflect.get(box.link, 'receipts') as object, 'size') as number;

  beforeEach(async () => {
    box = await startBox();
    clients = [];
    told = [];
  });
  afterEach(async () => {
    for (const client of clients) client.end();
    await box.close();
  });

  it('comes after the PUBACK of that client on the wire, and never before', async () => {
    const wire = await startWire(box.port);
    const device = await connectMqtt(`mqtt://127.0.0.1:${wire.port}`, { clientId: 'd1' });
    await device.subscribeAsync('devices/d1/down/#', { qos: 1 });
    const pubacks: number[] = [];
    const acknowledge: (() => void)[] = [];
    // The client writes its PUBACK when this is called back.
    device.handleMessage = (_, done) => acknowledge.push(() => done());
    for (let i = 1; i <= 5; i++) {
      const receipt = { clientId: 'd1', onAcknowledged: () => pubacks.push(wire.of('puback', 'd1').length) };
      await box.publisher.publish({ topic: `devices/d1/down/commands/${i}`, payload: 'go', qos: 1, receipt });
      await eventually('the device has it', () => acknowledge.length === i);
      expect([wire.of('puback', 'd1').length, pubacks.length]).toEqual([i - 1, i - 1]);
      acknowledge[i - 1]!();
      await eventually('it is told', () => pubacks.length === i);
    }
    // At each call that many had passed the proxy.
    expect(pubacks).toEqual([1, 2, 3, 4, 5]);
    await device.endAsync(true);
    await wire.stop();
  });

  it.each([true, false])('comes once, for the very packet id and no other, clean %s', async (clean) => {
    const device = await listen('d1', clean);
    await send('one');
    await send('two', 'devices/d1/down/commands/2');
    const [one, two] = [(await packet(device, 'one')).messageId!, (await packet(device, 'two')).messageId!];
    device.send(puback(two === 65_535 ? 1 : two + 1));
    await device.ping();
    expect(told).toEqual([]);
    device.send(puback(two), puback(two));
    await eventually('the second is told', () => told.length > 0);
    device.send(puback(one), puback(one));
    await device.ping();
    expect(told).toEqual(['two', 'one']);
    expect(open()).toBe(0);
  });

  it('comes for no other client, although it got the message under the same topic and the same packet id', async () => {
    const device = await listen('d1');
    const other = await listen('other');
    await send('one');
    const { messageId } = await packet(device, 'one');
    other.send(puback((await packet(other, 'one')).messageId!), puback(messageId!));
    await other.ping();
    expect(told).toEqual([]);
    device.send(puback(messageId!));
    await eventually('it is told', () => told.length === 1);
  });

  it.each([true, false])('comes for no PUBACK of a later connection, clean %s', async (clean) => {
    const device = await listen('d1', clean);
    await send('one');
    const { messageId } = await packet(device, 'one');
    const back = await listen('d1', clean);
    back.send(puback(messageId!));
    await back.ping();
    expect([told, open()]).toEqual([[], 0]);
    await send('again');
    back.send(puback((await packet(back, 'again')).messageId!));
    await eventually('it is told', () => told.length === 1);
    expect(told).toEqual(['again']);
  });

  it('is that of the latest attempt on a topic', async () => {
    const device = await listen();
    await send('first');
    const { messageId } = await packet(device, 'first');
    await send('second');
    device.send(puback(messageId!));
    await device.ping();
    expect(told).toEqual([]);
    device.send(puback((await packet(device, 'second')).messageId!));
    await eventually('it is told', () => told.length === 1);
    expect(told).toEqual(['second']);
  });

  it('never comes where nobody is there, or where it was for the queue of a session', async () => {
    await send('nobody');
    expect(open()).toBe(0);
    const other = await listen('other');
    await send('others');
    await packet(other, 'others');
    await eventually('nothing is kept', () => open() === 0);
    const device = await listen('d1', false);
    device.end();
    await eventually('it is away', () => box.link.clients === 1);
    await send('queued');
    await eventually('nothing is kept', () => open() === 0);
    const back = await connect('d1', false);
    await back.ping();
    expect([back.of('publish'), told]).toEqual([[], []]);
  });

  it.each([
    ['QoS 0', [{ topic: 'devices/d1/#', qos: 0 }]],
    [
      'QoS 0 and QoS 1 in turn',
      [
        { topic: 'devices/d1/#', qos: 0 },
        { topic: 'devices/d1/down/#', qos: 1 },
      ],
    ],
    [
      'QoS 0 for the very topic',
      [
        { topic: 'devices/d1/#', qos: 1 },
        { topic: TOPIC, qos: 0 },
      ],
    ],
  ] satisfies [string, ISubscribePacket['subscriptions']][])(
    'never comes where a subscription was granted %s, and nothing is kept for it',
    async (_, subscriptions) => {
      const device = await connect('d1');
      device.send({ cmd: 'subscribe', messageId: 1, subscriptions });
      await device.next('suback');
      await send('one');
      await packet(device, 'one');
      await eventually('nothing is kept', () => open() === 0);
    },
  );

  it('keeps its packet id from what is sent meanwhile, once around all 65,535', async () => {
    const device = await listen();
    await send('one');
    const { messageId } = await packet(device, 'one');
    const client = (box.link.listeners as unknown as { clientOf(id: string): { _nextId: number } }).clientOf('d1');
    client._nextId = messageId!;
    for (const name of ['a', 'b']) await box.publisher.publish({ topic: 'devices/d1/down/x', payload: name, qos: 1 });
    const ids = [(await packet(device, 'a')).messageId!, (await packet(device, 'b')).messageId!];
    expect(ids).not.toContain(messageId);
    device.send(...ids.map(puback));
    await device.ping();
    expect(told).toEqual([]);
    device.send(puback(messageId!));
    await eventually('it is told', () => told.length === 1);
  });

  it('comes for no packet id that a stored session still has in flight', async () => {
    const device = await listen('d1', false);
    await box.publisher.publish({ topic: 'devices/d1/down/x', payload: 'plain', qos: 1 });
    const plain = (await packet(device, 'plain')).messageId!;
    device.end();
    await eventually('it is away', () => box.link.clients === 0);
    await box.publisher.publish({ topic: 'devices/d1/down/x', payload: 'queued', qos: 1 });
    const back = await connect('d1', false);
    expect((await packet(back, 'plain')).messageId).toBe(plain);
    const queued = (await packet(back, 'queued')).messageId!;
    const client = (box.link.listeners as unknown as { clientOf(id: string): { _nextId: number } }).clientOf('d1');
    client._nextId = Math.min(plain, queued);
    await send('one');
    const one = (await packet(back, 'one')).messageId!;
    expect([plain, queued]).not.toContain(one);
    back.send(puback(plain), puback(queued));
    await back.ping();
    expect(told).toEqual([]);
    back.send(puback(one));
    await eventually('it is told', () => told.length === 1);
    back.end();
    await eventually('it is away', () => box.link.clients === 0);
    const third = await connect('d1', false);
    await third.ping();
    expect(third.of('publish')).toEqual([]);
  });

  it('is said to be possible', () => {
    expect(box.link.capabilities.delivered).toBe(true);
  });
});
