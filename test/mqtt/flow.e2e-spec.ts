import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Flow } from '../../src/mqtt/embedded/flow.js';
import { FrameGuard } from '../../src/mqtt/embedded/frame.guard.js';
import { eventually } from '../support/eventually.js';
import { type Box, startBox } from './support/box.js';
import { connectPacket, encode, gate, publishPacket, RawClient } from './support/raw-client.js';

const TOPIC = 'devices/a/up/telemetry';
const UNLAWFUL = Buffer.from([0xf0, 0]);

describe('one client and the others', () => {
  let box: Box;
  afterEach(async () => {
    await box.close();
  });

  it('does not close pinging clients while handlers take 3 s, and answers their pings at once', async () => {
    box = await startBox();
    box.recorder.behaviour = () => new Promise((resolve) => setTimeout(resolve, 3_000));
    const client = await RawClient.connect(box.port, 'a', { keepalive: 1 });
    client.send(...Array.from({ length: 100 }, (_, i) => publishPacket(TOPIC, `${i}`, 1, i + 1)));
    const end = performance.now() + 3_500;
    while (performance.now() < end) {
      const sentAt = performance.now();
      await client.ping();
      expect(performance.now() - sentAt).toBeLessThan(500);
    }
    await client.next('puback', 100);
    client.end();
  }, 15_000);

  it('holds a client at its rate after a burst of ten seconds, loses nothing, and leaves others alone', async () => {
    box = await startBox({ deviceRate: 50 });
    const flood = await RawClient.connect(box.port, 'a');
    const startedAt = performance.now();
    flood.send(...Array.from({ length: 550 }, (_, i) => publishPacket(TOPIC, `${i}`, 1, i + 1)));
    const other = await RawClient.connect(box.port, 'b');
    other.send(publishPacket('devices/b/up/telemetry', 'other', 1, 1));
    await other.next('puback');
    expect(flood.of('puback').length).toBeLessThanOrEqual(520);
    await flood.next('puback', 550);
    expect(performance.now() - startedAt).toBeGreaterThan(800);
    expect(box.recorder.messages).toHaveLength(551);
    for (const client of [flood, other]) client.end();
  });

  it('gives a client that connects again no new burst', async () => {
    box = await startBox({ deviceRate: 20 });
    for (let round = 0; round < 3; round++) {
      const client = await RawClient.connect(box.port, 'a');
      client.send(...Array.from({ length: 300 }, (_, i) => publishPacket(TOPIC, `${i}`, 0)));
      await client.ping();
      client.end();
    }
    expect(box.recorder.messages.length).toBeGreaterThanOrEqual(200);
    expect(box.recorder.messages.length).toBeLessThan(300);
  });

  it('holds packets of every kind at the rate', async () => {
    box = await startBox({ deviceRate: 20 });
    const client = await RawClient.connect(box.port, 'a');
    const filters = Array.from({ length: 400 }, (_, i) => ({
      cmd: 'subscribe' as const,
      messageId: i + 1,
      subscriptions: [{ topic: 'x', qos: 0 as const }],
    }));
    client.send(...filters);
    await client.next('suback', 200);
    await client.ping();
    expect(client.of('suback').length).toBeLessThan(230);
    client.end();
  });

  it('does not hold the acknowledgements of a subscriber that gets far more than the rate of one device', async () => {
    box = await startBox({ deviceRate: 20 });
    const reader = await RawClient.connect(box.port, 'reader', { clean: false });
    await reader.subscribe(1, 'demo/#');
    for (let i = 1; i <= 2_000; i++) await box.publisher.publish({ topic: 'demo/x', payload: `${i}`, qos: 1 });
    const messages = await eventually(
      'all arrive',
      () => reader.of('publish').length === 2_000 && reader.of('publish'),
    );
    const startedAt = performance.now();
    reader.send(...messages.map(({ messageId }) => ({ cmd: 'puback' as const, messageId: messageId! })));
    reader.send({ cmd: 'subscribe', messageId: 2, subscriptions: [{ topic: 'y', qos: 0 }] });
    await reader.next('suback', 2);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    reader.end();
  });

  it('lets a subscriber that never reads hurt only itself', async () => {
    box = await startBox();
    const stalled = await RawClient.connect(box.port, 'stalled');
    await stalled.subscribe(1, 'demo/#');
    stalled.socket.pause();
    const reader = await RawClient.connect(box.port, 'reader');
    await reader.subscribe(1, 'demo/#');
    const sender = await RawClient.connect(box.port, 'sender');
    const payload = Buffer.alloc(8_192, 1);
    for (let i = 1; i <= 2_000; i++) {
      sender.send(publishPacket('demo/x', payload, 1, i));
      // Far below the 20 s after which aedes gives up on a socket.
      if (i % 20 === 0) await sender.next('puback', i, 3_000);
    }
    await reader.next('publish', 2_000, 3_000);
    expect(box.counter('closed.slow_reader')).toBe(1);
    stalled.socket.resume();
    await stalled.closed();
    for (const client of [reader, sender]) client.end();
  }, 20_000);

  it('drops QoS 0 messages for a subscriber that does not read, and counts them', async () => {
    box = await startBox();
    const stalled = await RawClient.connect(box.port, 'stalled');
    await stalled.subscribe(1, 'demo/#');
    stalled.socket.pause();
    const sender = await RawClient.connect(box.port, 'sender');
    for (let i = 0; i < 400; i++) {
      sender.send(publishPacket('demo/x', Buffer.alloc(65_536, 1), 0));
      if (i % 20 === 0) await sender.ping();
    }
    await eventually('some are dropped', () => box.counter('dropped.slow_reader') > 0);
    stalled.socket.resume();
    await stalled.ping();
    for (const client of [stalled, sender]) client.end();
  }, 20_000);

  it.each([
    ['PINGREQ', encode({ cmd: 'pingreq' })],
    ['PUBREL', encode({ cmd: 'pubrel', messageId: 1 })],
  ])(
    'stops reading from a client that floods %s and does not read the answers',
    async (_, packet) => {
      box = await startBox();
      const flood = await RawClient.connect(box.port, 'flood');
      flood.socket.pause();
      const chunk = Buffer.concat(Array.from({ length: 65_536 / packet.length }, () => packet));
      let taken = 0;
      const more = (): void => void flood.socket.write(chunk, (error) => !error && ((taken += chunk.length), more()));
      more();
      let before = -1;
      await eventually(
        'nothing is taken any more',
        async () => {
          const same = taken === before;
          before = taken;
          await new Promise((resolve) => setTimeout(resolve, 500));
          return same && taken > 0;
        },
        25_000,
      );
      // The buffers of the kernel on both ways are all that may fill.
      expect(taken).toBeLessThan(32 * 1_048_576);
      const other = await RawClient.connect(box.port, 'other');
      await other.ping();
      for (const client of [flood, other]) client.end();
    },
    30_000,
  );

  it('takes 2,000 clients that connect, publish and leave at once', async () => {
    box = await startBox();
    const clients = await Promise.all(
      Array.from({ length: 2_000 }, async (_, i) => {
        const client = await RawClient.open(box.port);
        client.send(connectPacket(`c${i}`), publishPacket(`devices/c${i}/up/telemetry`, '1', 1, 1), {
          cmd: 'disconnect',
        });
        return client;
      }),
    );
    await Promise.all(clients.map((client) => client.closed(20_000)));
    const unanswered = clients.filter((client) => client.of('puback').length !== 1);
    expect(unanswered.map(({ received, bytes }) => ({ received, bytes }))).toEqual([]);
    expect(box.recorder.messages).toHaveLength(2_000);
    await eventually('all are gone', () => box.link.clients === 0);
  }, 30_000);

  it('asks the kernel to look after silent peers every 60 s, for clients without keepalive', async () => {
    box = await startBox();
    expect(Reflect.get(box.link, 'server')).toMatchObject({ keepAlive: true, keepAliveInitialDelay: 60 });
  });

  it('forgets a client without keepalive when its socket is closed', async () => {
    box = await startBox();
    const quiet = await RawClient.connect(box.port, 'quiet', { keepalive: 0 });
    await quiet.ping();
    expect(box.link.clients).toBe(1);
    quiet.end();
    await eventually('it is gone', () => box.link.clients === 0);
  });
});

describe('the guard alone', () => {
  let server: Server;
  let guards: FrameGuard[];
  let sockets: Socket[];
  let refusals: string[];
  let flow: Flow;
  let drainTimeoutMs: number | undefined;
  let port: number;

  beforeEach(async () => {
    guards = [];
    sockets = [];
    refusals = [];
    drainTimeoutMs = undefined;
    flow = new Flow(0, 10_000);
    server = createServer({ allowHalfOpen: true }, (socket: Socket) => {
      const guard = new FrameGuard(socket, flow, { onRefused: (why) => refusals.push(why) }, drainTimeoutMs);
      guard.on('error', () => {});
      guards.push(guard);
      sockets.push(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as { port: number }).port;
  });
  afterEach(() => {
    for (const guard of guards) guard.destroy();
    server.close();
  });

  async function openGuard(): Promise<{ client: RawClient; guard: FrameGuard }> {
    const earlier = guards.length;
    const client = await RawClient.open(port);
    const guard = await eventually('accepted', () => guards[earlier]);
    client.send(connectPacket('a'));
    guard.write(Buffer.from([0x20, 2, 0, 0]));
    guard.open('a');
    return { client, guard };
  }

  it('closes a client that is silent for one and a half keepalives, and not one that pings', async () => {
    const { client, guard } = await openGuard();
    guard.resume();
    guard.keepalive.set(0.2);
    for (let i = 0; i < 8; i++) {
      await client.ping();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(client.ended).toBe(false);
    const startedAt = performance.now();
    await client.closed();
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });

  it('passes a few hundred packets on in one turn of the event loop, and the rest in later ones', async () => {
    flow = new Flow(0);
    const { client, guard } = await openGuard();
    const sizes: number[] = [];
    await eventually('CONNECT is through', () => guard.read() !== null);
    guard.on('data', (chunk: Buffer) => sizes.push(chunk.length));
    client.send(...Array.from({ length: 2_000 }, () => ({ cmd: 'puback' as const, messageId: 1 })));
    await eventually('all came through', () => sizes.reduce((sum, size) => sum + size, 0) === 8_000);
    expect(Math.max(...sizes)).toBe(256 * 4);
    client.end();
  });

  it('pauses the socket while the broker does not read, and goes on without loss', async () => {
    flow = new Flow(0);
    const { client, guard } = await openGuard();
    const big = encode(publishPacket('t', Buffer.alloc(200_000, 7)));
    for (let i = 0; i < 40; i++) client.send(big);
    await eventually('it is paused', () => guard.readableLength >= 65_536);
    const held = guard.readableLength;
    expect(held).toBeLessThan(400_000);
    let got = 0;
    guard.on('data', (chunk: Buffer) => (got += chunk.length));
    await eventually('all came through', () => got === encode(connectPacket('a')).length + 40 * big.length);
    client.end();
  });

  it('over the cap of bytes in flight lets each client have one publish, and the others follow as room comes', async () => {
    const [first, second] = [await openGuard(), await openGuard()];
    const got = [0, 0];
    for (const [i, { guard }] of [first, second].entries()) {
      guard.on('data', (chunk: Buffer) => (got[i]! += chunk.length));
    }
    const connect = encode(connectPacket('a')).length;
    const frame = encode(publishPacket('t', Buffer.alloc(12_000, 1)));
    for (const { client } of [first, second]) client.send(frame, frame);
    await eventually('one each', () => got.every((bytes) => bytes === connect + frame.length), 3_000);
    await second.client.ping();
    expect(got[1]).toBe(connect + frame.length);
    for (const { guard } of [first, second]) {
      guard.claim(frame.length - 3);
      guard.settle(frame.length - 3);
    }
    await eventually('the rest', () => got.every((bytes) => bytes === connect + 2 * frame.length), 3_000);
    for (const { client } of [first, second]) client.end();
  });

  it('closes a client that stays over its rate, after it was held for a while', async () => {
    flow = new Flow(10, undefined, 300);
    const { client, guard } = await openGuard();
    guard.on('data', () => {});
    const packets = Array.from({ length: 400 }, () => publishPacket('t', '1'));
    const timer = setInterval(() => {
      guard.claim(4);
      guard.settle(4);
    }, 1);
    client.send(...packets);
    await client.closed();
    clearInterval(timer);
    expect(refusals).toEqual(['rate']);
  });

  it('joins what is written in one turn into one segment', async () => {
    const { client, guard } = await openGuard();
    await client.next('connack');
    const sizes: number[] = [];
    client.socket.on('data', (chunk: Buffer) => sizes.push(chunk.length));
    guard.cork();
    for (let i = 0; i < 100; i++) guard.write(Buffer.from([0x40, 2, 0, i]));
    process.nextTick(() => guard.uncork());
    await client.next('puback', 100);
    expect(sizes).toEqual([400]);
    client.end();
  });

  it('holds what comes behind CONNECT until it is opened', async () => {
    const client = await RawClient.open(port);
    client.send(connectPacket('a'), publishPacket('t', '1'), { cmd: 'pingreq' });
    const guard = await eventually('accepted', () => guards.at(-1));
    const connect = encode(connectPacket('a')).length;
    let got = 0;
    guard.on('data', (chunk: Buffer) => (got += chunk.length));
    await eventually('CONNECT is through', () => got === connect);
    await new Promise(setImmediate);
    expect([got, client.bytes]).toEqual([connect, 0]);
    guard.open('a');
    await client.next('pingresp');
    expect(got).toBeGreaterThan(connect);
    client.end();
  });

  it('closes a peer that takes nothing in for the drain timeout', async () => {
    drainTimeoutMs = 300;
    const { client, guard } = await openGuard();
    client.socket.pause();
    guard.write(Buffer.alloc(32 * 1_048_576));
    await eventually('closed', () => guard.destroyed, 3_000);
    client.end();
  });

  it.each([
    ['vanishes', (client: RawClient) => client.socket.resetAndDestroy()],
    ['closes its side', (client: RawClient) => client.socket.end()],
    ['sends the rest and an unlawful packet', (client: RawClient) => client.send(Buffer.alloc(6_000, 1), UNLAWFUL)],
  ])('gives back what a publish counted whose client stops half-way and %s', async (_, stop) => {
    const { client, guard } = await openGuard();
    guard.resume().on('end', () => guard.destroy());
    client.send(encode(publishPacket('t', Buffer.alloc(12_000, 1))).subarray(0, 6_000 + 6));
    await eventually('counted', () => flow.full);
    stop(client);
    await client.closed();
    await eventually('given back', () => !flow.full);
  });

  it('gives back what was counted in the very segment that ends with an unlawful packet', async () => {
    const { client, guard } = await openGuard();
    guard.resume();
    client.send(publishPacket('t', Buffer.alloc(12_000, 1)), UNLAWFUL);
    await client.closed();
    expect([refusals, flow.full]).toEqual([['packet'], false]);
  });

  it('ends at a FIN behind an unfinished publish when the whole ones before it are settled, and not earlier', async () => {
    const { client, guard } = await openGuard();
    let ended = false;
    guard.resume().on('end', () => (ended = true));
    const bytes = encode(publishPacket('t', '1'), publishPacket('t', '12345'));
    client.socket.end(bytes.subarray(0, -2));
    await eventually('the FIN is read', () => sockets.at(-1)?.readableEnded);
    await new Promise(setImmediate);
    expect(ended).toBe(false);
    guard.claim(4);
    guard.settle(4);
    await eventually('it ends', () => ended);
  });

  it('keeps its own counters right when a client vanishes with publishes in flight', async () => {
    const { client, guard } = await openGuard();
    let got = 0;
    guard.on('data', (chunk: Buffer) => (got += chunk.length));
    client.send(publishPacket('t', Buffer.alloc(12_000, 1)));
    await eventually('in flight', () => flow.full);
    guard.claim(12_003);
    client.socket.resetAndDestroy();
    await eventually('closed', () => guard.destroyed);
    expect(flow.full).toBe(true);
    guard.settle(12_003);
    expect(flow.full).toBe(false);
    expect(got).toBeGreaterThan(12_000);
    expect(refusals).toEqual([]);
  });
});

describe('waiting', () => {
  it('closes a connection without CONNECT after 10 s, whatever it dribbles', async () => {
    const box = await startBox();
    const silent = await RawClient.open(box.port);
    const dribble = await RawClient.open(box.port);
    const bytes = encode(connectPacket('a'));
    const startedAt = performance.now();
    for (let i = 0; !dribble.ended; i++) {
      if (i < bytes.length - 1) dribble.send(bytes.subarray(i, i + 1));
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    await silent.closed();
    expect(performance.now() - startedAt).toBeGreaterThan(9_000);
    expect(performance.now() - startedAt).toBeLessThan(13_000);
    await box.close();
  }, 20_000);

  it('stops after 8 s although a handler never ends', async () => {
    const box = await startBox();
    const never = gate();
    box.recorder.behaviour = () => never.promise;
    const client = await RawClient.connect(box.port, 'a');
    client.send(publishPacket(TOPIC, '1', 1, 1));
    await eventually('the handler has it', () => box.recorder.messages.length === 1);
    const startedAt = performance.now();
    await box.close();
    expect(performance.now() - startedAt).toBeGreaterThan(7_500);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    expect(client.of('puback')).toEqual([]);
    client.end();
  }, 15_000);
});
