import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { SensorService } from '../../src/sensor/sensor.service.js';
import { httpDevice } from '../control/http-device.js';
import { RawClient, publishPacket } from '../mqtt/support/raw-client.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { get, post, type ProblemBody } from '../support/http.js';

let signalbox: TestApp;
beforeEach(async () => {
  signalbox = await createTestApp();
});
afterEach(async () => {
  await signalbox.close();
});

const url = (path: string) => `${signalbox.httpUrl}${path}`;
const isReady = async () => (await get(url('/readyz'))).status === 200;

/** Holds the write lock on the database from another process until `release`. */
async function holdDatabase(): Promise<{ release(): Promise<void> }> {
  const file = join(signalbox.dataDir, 'signalbox.db');
  const holder = spawn(process.execPath, [resolve('test/storage/hold-lock.mjs'), file]);
  const ended = once(holder, 'exit');
  await once(holder.stdout, 'data');
  return {
    release: async () => {
      holder.stdin.end();
      await ended;
    },
  };
}

describe('While another program holds the database', () => {
  it('nothing is acknowledged, writes are answered 503 at once, readiness is false, and all recovers by itself', async () => {
    const device = await RawClient.connect(signalbox.mqttPort, 'patient', { keepalive: 15 });
    const pump = httpDevice(signalbox.httpUrl);
    await pump.next();
    const { id: handed } = await pump.command();
    await pump.next();
    await pump.is(handed, 'SENT');
    const database = await holdDatabase();
    const pattern = 'services/sensor/record';
    const record = JSON.stringify({ pattern, data: { deviceId: 'patient', values: { s: 2 } } });
    device.send(
      publishPacket('devices/patient/up/telemetry', '{"t": 1}', 1, 1),
      publishPacket('devices/patient/up/status', '{"online": true}', 1, 2, { retain: true }),
      publishPacket('demo/patient', 'logged', 1, 3),
      publishPacket('site/patient', 'kept', 1, 4, { retain: true }),
      publishPacket('devices/patient/up/telemetry', 'not JSON', 2, 5),
      publishPacket(pattern, record, 1, 7),
    );
    const notReady = await eventually('/readyz is 503', async () => {
      const answer = await get(url('/readyz'));
      return answer.status === 503 && answer;
    });
    expect(notReady.headers.get('retry-after')).toMatch(/^\d+$/);
    const health = await get(url('/health'));
    expect([health.status, health.body]).toMatchObject([503, { status: 'DEGRADED', database: { status: 'down' } }]);
    const writes = [
      ['/control', { command: 'X' }],
      ['/publish', { topic: 'demo/x', message: 'x' }],
      ['/publish', { topic: 'devices/x/up/telemetry', message: { t: 1 } }],
      ['/publish', { topic: 'site/x', message: 'x', retain: true }],
    ] as const;
    for (const [path, body] of writes) {
      const startedAt = performance.now();
      const refused = await post<ProblemBody>(url(path), body);
      expect([refused.status, refused.body.code]).toEqual([503, 'STORAGE_UNAVAILABLE']);
      expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
      expect(performance.now() - startedAt).toBeLessThan(500);
    }
    const answer = () => pump.answer<ProblemBody>(handed, { status: 'succeeded' });
    for (const refused of [
      await answer(),
      await pump.telemetry<ProblemBody>({ t: 1 }),
      await httpDevice(signalbox.httpUrl).next('30'),
    ]) {
      expect([refused.status, refused.body]).toMatchObject([503, { code: 'STORAGE_UNAVAILABLE' }]);
    }
    expect((await get(url('/livez'))).status).toBe(200);
    expect((await get(url('/sensors'))).status).toBe(200);
    // The messages of jobs were refused by now, and are held.
    device.send(publishPacket('demo/patient', 'later', 1, 6));
    await device.ping();
    expect([device.ended, device.of('puback'), device.of('pubrec')]).toEqual([false, [], []]);

    await database.release();
    await device.next('puback', 6);
    await device.next('pubrec', 1);
    expect(device.ended).toBe(false);
    await eventually('/readyz is 200 again', isReady);
    expect((await answer()).body).toMatchObject({ status: 'SUCCEEDED', final: true });
    const { body } = await get<{ payload: unknown }[]>(url('/sensors'));
    expect(body.map(({ payload }) => payload)).toEqual(expect.arrayContaining([{ t: 1 }, { s: 2 }]));
    expect(body).toHaveLength(2);
    const messages = await get<{ message: string }[]>(url('/messages'));
    expect(messages.body.map(({ message }) => message).toSorted()).toEqual(['later', 'logged']);
    const rejects = await get<{ items: unknown[] }>(url('/v1/rejects'));
    expect(rejects.body.items).toMatchObject([{ code: 'NOT_JSON' }]);
    const reader = await RawClient.connect(signalbox.mqttPort, 'reader');
    await reader.subscribe(1, 'site/+', 'devices/+/up/status');
    await reader.next('publish', 2);
    expect((await post(url('/control'), { command: 'X' })).status).toBe(202);
    for (const each of [device, reader]) each.end();
  });

  it('for longer than a commit may take, readings that tell nothing of themselves are stored once, and all are accounted for', async () => {
    const device = await RawClient.connect(signalbox.mqttPort, 'a', { keepalive: 15 });
    const database = await holdDatabase();
    for (let i = 1; i <= 40; i++) {
      const topic = i % 4 === 0 ? 'devices/a/up/events/e' : 'devices/a/up/telemetry';
      device.send(publishPacket(topic, i % 3 === 0 ? `[{"n":${i}},{"m":${i}}]` : `{"n":${i}}`, 1, i));
      await device.ping();
    }
    const sensors = signalbox.app.get(SensorService);
    await eventually('the commits were given up', () => sensors.counts.notAcknowledged > 0, 20_000);
    expect(device.of('puback')).toEqual([]);
    await database.release();
    await device.next('puback', 40);
    expect(device.of('puback').map(({ messageId }) => messageId)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    const { received, stored, duplicates, rejected, notAcknowledged } = sensors.counts;
    expect(received).toBe(stored + duplicates + rejected + notAcknowledged);
    expect(stored).toBe(40);
    for (const [table, rows] of [
      ['readings', 40],
      ['events', 10],
    ] as const) {
      const found = await signalbox.database.point.selectFrom(table).select('position').execute();
      expect(found).toHaveLength(rows);
    }
    device.end();
  }, 40_000);
});
