import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Flow } from '../../src/mqtt/embedded/flow.js';
import { FrameGuard } from '../../src/mqtt/embedded/frame.guard.js';
import { eventually } from '../support/eventually.js';
import { connectPacket, encode, publishPacket, RawClient } from './support/raw-client.js';

const UNLAWFUL = Buffer.from([0xf0, 0]);

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
