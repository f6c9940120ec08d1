import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/common/ids.js';
import { basic } from '../control/http-device.js';
import { connectPacket, lengthBytes, publishPacket, RawClient, rawPublish } from '../mqtt/support/raw-client.js';
import { eventually } from '../support/eventually.js';
import { get, post } from '../support/http.js';
import { rawHttp } from '../support/raw-http.js';
import { Stage } from './support/stage.js';

const MIB = 1_048_576;

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.start({ MQTT_DEVICE_RATE: '0' });
});
afterAll(async () => {
  await stage.stop();
});

/** Calls `act` so many times, a few at once. */
async function repeat(times: number, act: () => Promise<unknown>): Promise<void> {
  for (let done = 0; done < times; done += 8) await Promise.all(Array.from({ length: 8 }, act));
}

async function closedBy(bytes: Buffer, id?: string): Promise<void> {
  const { mqttPort } = stage.service;
  const client = id === undefined ? await RawClient.open(mqttPort) : await RawClient.connect(mqttPort, id);
  client.send(bytes);
  await client.closed();
}

/** A few of every kind of input of both tables, about 100 MB of them. */
async function storm(): Promise<void> {
  const login = basic('storm:a-secret');
  const deep = `{"message": ${'['.repeat(400_000)}`;
  const huge = 'x'.repeat(MIB);
  await repeat(32, () => post(stage.url('/publish'), { message: huge }));
  await repeat(64, () => post(stage.url('/control'), deep));
  await repeat(64, () => post(stage.url('/v1/device/telemetry'), deep, login));
  await repeat(64, () => get(stage.url(`/messages?topic=${encodeURIComponent('+/'.repeat(3_000))}`)));
  await repeat(64, () => get(stage.url(`/${newId()}/${'a'.repeat(8_000)}`)));
  await repeat(64, () => rawHttp(stage.service.httpUrl, `GET / HTTP/1.1\r\nX: ${'x'.repeat(65_536)}\r\n\r\n`));
  await repeat(64, () =>
    closedBy(Buffer.concat([Buffer.from([0x10]), lengthBytes(268_435_455), Buffer.alloc(65_536)])),
  );
  await repeat(64, () => closedBy(rawPublish(Buffer.from('$SYS/x'), Buffer.alloc(200_000)), newId()));
  await repeat(64, async () => {
    const client = await RawClient.open(stage.service.mqttPort);
    client.send(connectPacket(newId()), publishPacket('devices/storm/up/telemetry', Buffer.alloc(200_000), 1, 1));
    await client.next('puback');
    client.send(publishPacket('lab/half-open', Buffer.alloc(10_000), 2, 2));
    await client.next('pubrec');
    client.end();
  });
}

describe('Bad inputs of all kinds, again and again', () => {
  it('leave memory where it was, and no connection behind', async () => {
    for (let round = 0; round < 2; round++) await storm();
    const before = stage.resident();
    for (let round = 0; round < 4; round++) await storm();
    await eventually('memory is back', () => stage.resident() - before < 48 * MIB, 20_000);
    await eventually('all are gone', async () => (await stage.health()).broker.clients === 1);
    await stage.holds('a-secret');
    expect((await get(stage.url('/readyz'))).status).toBe(200);
  }, 120_000);
});
