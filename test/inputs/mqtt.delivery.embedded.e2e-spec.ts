import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/common/ids.js';
import { connectPacket, publishPacket, RawClient, rawPublish } from '../mqtt/support/raw-client.js';
import { eventually } from '../support/eventually.js';
import { get } from '../support/http.js';
import { Stage } from './support/stage.js';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.start({ MQTT_DEVICE_RATE: '0' });
});
afterEach(async () => {
  await stage.holds();
});
afterAll(async () => {
  await stage.stop();
});

const login = (id: string) => RawClient.connect(stage.service.mqttPort, id);
const telemetry = (id: string) => `devices/${id}/up/telemetry`;
const stored = async (deviceId: string) =>
  (await get<{ payload: unknown }[]>(stage.url(`/sensors?deviceId=${deviceId}&limit=2000`))).body.map(
    ({ payload }) => payload,
  );

describe('packet id 0; id reuse in flight; DUP after a lost PUBACK; QoS 2 doubled, PUBREL doubled or unknown, 1,000 half-open', () => {
  it.each([1, 2])('(packet id 0, QoS %i) closed, counted, nothing stored', async (qos) => {
    const id = newId();
    const client = await login(id);
    const before = (await stage.broker())['refused.packet_id'] ?? 0;
    client.send(rawPublish(Buffer.from(telemetry(id)), Buffer.from('{"t": 1}'), qos, 0));
    await client.closed();
    expect((await stage.broker())['refused.packet_id']).toBe(before + 1);
    expect(await stored(id)).toEqual([]);
  });

  it('(id reuse in flight) both stored, both acknowledged', async () => {
    const id = newId();
    const client = await login(id);
    client.send(publishPacket(telemetry(id), '{"n": 1}', 1, 7), publishPacket(telemetry(id), '{"n": 2}', 1, 7));
    await client.next('puback', 2);
    expect(await stored(id)).toEqual([{ n: 1 }, { n: 2 }]);
    client.end();
  });

  it.each([
    ['a ts', { values: { t: 1 }, ts: Date.now() }, 1],
    ['an id', { values: { t: 1 }, id: 'boot-1/17' }, 1],
    ['neither: a second reading, as nothing tells them apart', { t: 1 }, 2],
  ])('(DUP after a lost PUBACK, with %s)', async (_, reading, times) => {
    const id = newId();
    const publish = publishPacket(telemetry(id), JSON.stringify(reading), 1, 1);
    const first = await RawClient.open(stage.service.mqttPort);
    // What comes back is never read.
    first.socket.pause();
    first.send(connectPacket(id), publish);
    await eventually('stored', async () => (await stored(id)).length === 1);
    first.socket.resetAndDestroy();
    const second = await login(id);
    second.send({ ...publish, dup: true });
    await second.next('puback');
    expect(await stored(id)).toEqual(Array.from({ length: times }, () => ({ t: 1 })));
    second.end();
  });

  it('(QoS 2 doubled, PUBREL doubled and unknown) stored once', async () => {
    const id = newId();
    const client = await login(id);
    const twice = publishPacket(telemetry(id), '{"t": 1}', 2, 1);
    client.send({ cmd: 'pubrel', messageId: 99 }, twice, { ...twice, dup: true });
    await client.next('pubrec', 2);
    client.send({ ...twice, dup: true });
    await client.next('pubrec', 3);
    client.send({ cmd: 'pubrel', messageId: 1 }, { cmd: 'pubrel', messageId: 1 });
    await client.next('pubcomp', 3);
    expect(await stored(id)).toEqual([{ t: 1 }]);
    client.end();
  });

  it('(1,000 half-open) all stored; one more is closed, counted and not stored', async () => {
    const id = newId();
    const client = await login(id);
    client.send(...Array.from({ length: 1_000 }, (_, n) => publishPacket(telemetry(id), `{"n": ${n}}`, 2, n + 1)));
    await client.next('pubrec', 1_000);
    const before = (await stage.broker())['refused.half_open'] ?? 0;
    client.send(publishPacket(telemetry(id), '{"n": 1000}', 2, 1_001));
    await client.closed();
    expect((await stage.broker())['refused.half_open']).toBe(before + 1);
    expect(await stored(id)).toEqual(Array.from({ length: 1_000 }, (_, n) => ({ n })));
  });
});
