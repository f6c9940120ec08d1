import { afterEach, describe, expect, it } from '@jest/globals';
import { keepaliveTimers } from '../support/tcp-timers.js';
import { eventually } from '../support/eventually.js';
import { type Box, startBox } from './support/box.js';
import { connectPacket, encode, gate, publishPacket, RawClient } from './support/raw-client.js';

const TOPIC = 'devices/a/up/telemetry';

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
  });

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
  });

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
  });

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
    // One look at all of them: 2,000 that look by themselves leave the broker, which shares this process, no time.
    await eventually('all connections are closed', () => clients.every(({ ended }) => ended));
    const unanswered = clients.filter((client) => client.of('puback').length !== 1);
    expect(unanswered.map(({ received, bytes }) => ({ received, bytes }))).toEqual([]);
    expect(box.recorder.messages).toHaveLength(2_000);
    await eventually('all are gone', () => box.link.clients === 0);
  });

  it('asks the kernel to look after silent peers every 60 s, for clients without keepalive', async () => {
    box = await startBox();
    const quiet = await RawClient.connect(box.port, 'quiet', { keepalive: 0 });
    const timers = await eventually('nothing is on its way', () => keepaliveTimers(box.port));
    expect(timers).toEqual([expect.closeTo(60, -1)]);
    quiet.end();
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
  });

  it('stops after 6 s although a handler never ends', async () => {
    const box = await startBox();
    const never = gate();
    box.recorder.behaviour = () => never.promise;
    const client = await RawClient.connect(box.port, 'a');
    client.send(publishPacket(TOPIC, '1', 1, 1));
    await eventually('the handler has it', () => box.recorder.messages.length === 1);
    const startedAt = performance.now();
    await box.close();
    expect(performance.now() - startedAt).toBeGreaterThan(5_500);
    expect(performance.now() - startedAt).toBeLessThan(8_000);
    expect(client.of('puback')).toEqual([]);
    client.end();
  });
});
