import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { get, post } from '../support/http.js';
import { connectDevice } from '../support/mqtt.js';

let signalbox: TestApp;
beforeAll(async () => {
  signalbox = await createTestApp({ MQTT_DEVICE_RATE: '0' }, undefined, {
    headersTimeout: 300,
    requestTimeout: 600,
    stallTimeout: 1_500,
  });
});
afterAll(async () => {
  await signalbox.close();
});

function open(...chunks: readonly string[]): Socket {
  const { hostname, port } = new URL(signalbox.httpUrl);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  for (const chunk of chunks) socket.write(chunk);
  return socket;
}

async function answerOf(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'close');
  return Buffer.concat(chunks).toString('utf8');
}

describe('A slow client', () => {
  it('that does not finish its headers is answered 408 and closed', async () => {
    expect(await answerOf(open('GET /sensors HTTP/1.1\r\nHost: localhost\r\n'))).toMatch(
      /^HTTP\/1\.1 408 [^]*REQUEST_TIMEOUT/,
    );
  });

  it('that does not finish its body is closed', async () => {
    const head =
      'POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n';
    expect(await answerOf(open(head, '{"message":'))).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('that does not read its answer is cut, and others are served meanwhile', async () => {
    const device = await connectDevice(signalbox.mqttUrl);
    const text = 'x'.repeat(1_000);
    const big = JSON.stringify(Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`m${n}`, text])));
    await Promise.all(Array.from({ length: 60 }, () => device.publish('devices/big/up/telemetry', big)));
    await device.end();
    const stalled = open('GET /sensors?limit=60 HTTP/1.1\r\nHost: localhost\r\n\r\n');
    stalled.pause();
    let isClosed = false;
    stalled.on('close', () => {
      isClosed = true;
    });
    expect((await get(`${signalbox.httpUrl}/sensors?limit=1`)).status).toBe(200);
    // A paused socket hears nothing: the service has no more connections once it has cut this one.
    const connections = () =>
      new Promise<number>((resolve, reject) => {
        signalbox.app.getHttpServer().getConnections((error, count) => (error ? reject(error) : resolve(count)));
      });
    const others = (await connections()) - 1;
    await eventually('the stalled connection is gone', async () => (await connections()) <= others);
    expect(isClosed).toBe(false);
    stalled.destroy();
  });
});

describe('A list that is far larger than what is read at once', () => {
  it('arrives whole and in order', async () => {
    const device = await connectDevice(signalbox.mqttUrl);
    const message = 'y'.repeat(100_000);
    for (let n = 0; n < 40; n++) await device.publish(`demo/large/${n}`, `${n} ${message}`);
    await device.end();
    const { body } = await get<{ topic: string; message: string }[]>(
      `${signalbox.httpUrl}/messages?limit=1000&topic=demo/large/%23`,
    );
    expect(body.map(({ topic }) => topic)).toEqual(Array.from({ length: 40 }, (_, n) => `demo/large/${n}`));
    expect(body.every(({ message: text }, n) => text === `${n} ${message}`)).toBe(true);
    expect((await post(`${signalbox.httpUrl}/publish`, { message: 'still fine' })).status).toBe(200);
  });
});
