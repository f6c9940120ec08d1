import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/common/ids.js';
import { connectPacket, publishPacket, RawClient } from '../mqtt/support/raw-client.js';
import { eventually } from '../support/eventually.js';
import { get } from '../support/http.js';
import { Stage } from './support/stage.js';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.start({ MQTT_DEVICE_RATE: '20' });
});
afterEach(async () => {
  await stage.holds();
});
afterAll(async () => {
  await stage.stop();
});

const MIB = 1_048_576;
const login = (id: string) => RawClient.connect(stage.service.mqttPort, id);

describe('retained flood; slow reader; flood at 10 x the rate; 5,000 CONNECT/s; half-open TCP', () => {
  it('(retained flood) 16 topics are kept, then closed, counted', async () => {
    const client = await login(newId());
    const before = (await stage.broker())['refused.retained'] ?? 0;
    client.send(
      ...Array.from({ length: 100 }, (_, n) => publishPacket(`lab/flood/${n}`, 'x', 1, n + 1, { retain: true })),
    );
    await client.closed();
    expect((await stage.broker())['refused.retained']).toBe(before + 1);
    const late = await login(newId());
    await late.subscribe(1, 'lab/flood/#');
    await late.next('publish', 16);
    await late.ping();
    expect(late.of('publish')).toHaveLength(16);
    late.end();
  });

  it('(slow reader) closed or left without, counted, and a reader beside it gets all', async () => {
    const stalled = await login(newId());
    await stalled.subscribe(1, 'lab/slow');
    stalled.socket.pause();
    const reader = await login(newId());
    await reader.subscribe(1, 'lab/slow');
    const senders = await Promise.all(Array.from({ length: 16 }, () => login(newId())));
    const before = stage.resident();
    // 160 a sender keep within its burst.
    for (let round = 1; round <= 160; round++) {
      for (const sender of senders) sender.send(publishPacket('lab/slow', Buffer.alloc(16_384, 120), 1, round));
      if (round % 10 === 0) await Promise.all(senders.map((sender) => sender.next('puback', round)));
    }
    await reader.next('publish', 16 * 160, 30_000);
    const { broker } = await stage.health();
    expect(
      (broker.counters['closed.slow_reader'] ?? 0) + (broker.counters['dropped.slow_reader'] ?? 0),
    ).toBeGreaterThan(0);
    expect(stage.resident() - before).toBeLessThan(128 * MIB);
    for (const client of [stalled, reader, ...senders]) client.end();
  });

  it('(flood at 10 x the rate) held and lost nothing of, while the neighbour is served', async () => {
    const id = newId();
    const flood = await login(id);
    flood.send(
      ...Array.from({ length: 300 }, (_, n) => publishPacket(`devices/${id}/up/telemetry`, `{"n": ${n}}`, 1, n + 1)),
    );
    await stage.holds();
    expect(flood.of('puback').length).toBeLessThan(300);
    await flood.next('puback', 300, 20_000);
    const { body } = await get<{ payload: unknown }[]>(stage.url(`/sensors?deviceId=${id}&limit=1000`));
    expect(body.map(({ payload }) => payload)).toEqual(Array.from({ length: 300 }, (_, n) => ({ n })));
    flood.end();
  });

  it('(5,000 CONNECT/s) each is answered or closed, and nothing stays of them', async () => {
    const { clients: before } = (await stage.health()).broker;
    const memory = stage.resident();
    const clients: RawClient[] = [];
    for (let hundred = 0; hundred < 50; hundred++) {
      const opened = await Promise.all(Array.from({ length: 100 }, () => RawClient.open(stage.service.mqttPort)));
      for (const client of opened) client.send(connectPacket(newId()));
      clients.push(...opened);
    }
    await eventually(
      'all are answered',
      () => clients.every(({ ended, received }) => ended || received.length > 0),
      60_000,
    );
    const answers = clients.map(({ received }) => received[0]);
    expect(answers.filter((packet) => packet?.cmd !== 'connack' || packet.returnCode !== 0)).toEqual([]);
    await stage.holds();
    for (const client of clients) client.end();
    await eventually('they are gone', async () => (await stage.health()).broker.clients === before, 30_000);
    await eventually('memory is back', () => stage.resident() - memory < 128 * MIB, 20_000);
  }, 120_000);
});
