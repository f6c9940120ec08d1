import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { newId } from '../../src/common/ids.js';
import { basic } from '../control/http-device.js';
import { connectPacket, lengthBytes, publishPacket, RawClient, rawPublish } from '../mqtt/support/raw-client.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { get, post } from '../support/http.js';
import { rawHttp } from '../support/raw-http.js';

const MIB = 1_048_576;

let signalbox: TestApp;
let collectGarbage: () => void;
beforeAll(async () => {
  // In this very process, where what is kept can be told from what is only not collected yet.
  setFlagsFromString('--expose-gc');
  collectGarbage = runInNewContext('gc') as () => void;
  signalbox = await createTestApp({ MQTT_DEVICE_RATE: '0' });
});
afterAll(async () => {
  await signalbox.close();
});

/** Bytes that are in use, ours and those of the clients. */
async function inUse(): Promise<number> {
  await new Promise(setImmediate);
  collectGarbage();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}

/** Calls `act` so many times, a few at once. */
async function repeat(times: number, act: () => Promise<unknown>): Promise<void> {
  for (let done = 0; done < times; done += 8) await Promise.all(Array.from({ length: 8 }, act));
}

async function closedBy(bytes: Buffer, id?: string): Promise<void> {
  const { mqttPort } = signalbox;
  const client = id === undefined ? await RawClient.open(mqttPort) : await RawClient.connect(mqttPort, id);
  client.send(bytes);
  await client.closed();
}

const url = (path: string) => `${signalbox.httpUrl}${path}`;

/** A few of every kind of input of both tables, about 50 MB of them. */
async function storm(): Promise<void> {
  const login = basic('storm:a-secret');
  const deep = `{"message": ${'['.repeat(400_000)}`;
  const huge = 'x'.repeat(MIB);
  await repeat(16, () => post(url('/publish'), { message: huge }));
  await repeat(24, () => post(url('/control'), deep));
  await repeat(24, () => post(url('/v1/device/telemetry'), deep, login));
  await repeat(24, () => get(url(`/messages?topic=${encodeURIComponent('+/'.repeat(3_000))}`)));
  await repeat(24, () => get(url(`/${newId()}/${'a'.repeat(8_000)}`)));
  await repeat(24, () => rawHttp(signalbox.httpUrl, `GET / HTTP/1.1\r\nX: ${'x'.repeat(65_536)}\r\n\r\n`));
  await repeat(24, () =>
    closedBy(Buffer.concat([Buffer.from([0x10]), lengthBytes(268_435_455), Buffer.alloc(65_536)])),
  );
  await repeat(24, () => closedBy(rawPublish(Buffer.from('$SYS/x'), Buffer.alloc(200_000)), newId()));
  await repeat(24, async () => {
    const client = await RawClient.open(signalbox.mqttPort);
    client.send(connectPacket(newId()), publishPacket('devices/storm/up/telemetry', Buffer.alloc(200_000), 1, 1));
    await client.next('puback');
    client.send(publishPacket('lab/half-open', Buffer.alloc(10_000), 2, 2));
    await client.next('pubrec');
    client.end();
  });
}

interface Health {
  readonly broker: { readonly clients: number };
}

describe('Bad inputs of all kinds, again and again', () => {
  it('leave memory where it was, and no connection behind', async () => {
    await storm();
    const before = await inUse();
    for (let round = 0; round < 3; round++) await storm();
    await eventually('all are gone', async () => (await get<Health>(url('/health'))).body.broker.clients === 0);
    await eventually('memory is back', async () => (await inUse()) - before < 8 * MIB);
    expect((await get(url('/readyz'))).status).toBe(200);
  }, 180_000);
});
