import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { get, post, type ProblemBody } from '../support/http.js';
import { connectMqtt } from '../support/mqtt.js';

let signalbox: TestApp;
beforeAll(async () => {
  signalbox = await createTestApp();
});
afterAll(async () => {
  await signalbox.close();
});

const url = (path: string) => `${signalbox.httpUrl}${path}`;

describe('While another program holds the database', () => {
  it('nothing is acknowledged, writes are answered 503, readiness is false, and all recovers by itself', async () => {
    const device = await connectMqtt(signalbox.mqttUrl);
    const holder = spawn(process.execPath, [
      resolve('test/storage/hold-lock.mjs'),
      join(signalbox.dataDir, 'signalbox.db'),
    ]);
    const ended = once(holder, 'exit');
    await once(holder.stdout, 'data');

    let isAcknowledged = false;
    const published = (async () => {
      await device.publishAsync('devices/patient/up/telemetry', '{"t": 1}', { qos: 1 });
      isAcknowledged = true;
    })();
    const notReady = await eventually('/readyz is 503', async () => {
      const answer = await get(url('/readyz'));
      return answer.status === 503 && answer;
    });
    expect(notReady.headers.get('retry-after')).toMatch(/^\d+$/);
    const health = await get(url('/health'));
    expect([health.status, health.body]).toMatchObject([503, { status: 'DEGRADED', database: { status: 'down' } }]);
    const refused = await post<ProblemBody>(url('/control'), { command: 'X' });
    expect([refused.status, refused.body.code]).toEqual([503, 'STORAGE_UNAVAILABLE']);
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
    expect((await get(url('/livez'))).status).toBe(200);
    expect((await get(url('/sensors'))).status).toBe(200);
    expect(isAcknowledged).toBe(false);

    holder.stdin.end();
    await ended;
    await published;
    await eventually('/readyz is 200 again', async () => (await get(url('/readyz'))).status === 200);
    const { body } = await get<{ payload: unknown }[]>(url('/sensors?deviceId=patient'));
    expect(body.map(({ payload }) => payload)).toEqual([{ t: 1 }]);
    expect((await post(url('/control'), { command: 'X' })).status).toBe(202);
    await device.endAsync();
  });
});
