import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../support/eventually.js';
import { get, post } from '../support/http.js';
import { connectMqtt, listenTo } from '../support/mqtt.js';
import { type Postgres, startPostgres } from '../support/postgres.js';
import { startAndEnd, startService, temporaryDirectory } from '../support/process.js';
import { describeWith } from '../support/services.js';
import { Fleet } from './support/fleet.js';

describeWith(['mosquitto', 'postgres'], 'any of three replicas', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await Fleet.start(3);
  }, 60_000);
  afterAll(async () => {
    await fleet?.stop();
  });

  /** The answer of every replica to one request, once there are `count` items in each. */
  function answers(path: string, count: number): Promise<unknown[][]> {
    return eventually(`${count} items of ${path} everywhere`, async () => {
      const all = await Promise.all(fleet.replicas.map(({ httpUrl }) => get<unknown[]>(httpUrl + path)));
      return all.every(({ body }) => body.length === count) && all.map(({ body }) => body);
    });
  }

  it('shows the same readings, messages and rejects', async () => {
    const device = await connectMqtt(fleet.brokerUrl);
    for (let n = 0; n < 30; n++) {
      await device.publishAsync('devices/shared/up/telemetry', JSON.stringify({ n, ts: Date.now() }), { qos: 1 });
      await device.publishAsync(`demo/shared/${n}`, `m${n}`, { qos: 1 });
    }
    await device.endAsync();
    for (const path of ['/sensors?deviceId=shared&limit=100', '/messages?limit=100']) {
      const [first, ...others] = await answers(path, 30);
      for (const other of others) expect(other).toEqual(first);
    }
  });

  it('takes a command, and any other tells of it', async () => {
    const device = await connectMqtt(fleet.brokerUrl);
    const listener = await listenTo(device, 'poc/lamp/control');
    for (const [place, taker] of fleet.replicas.entries()) {
      const { status, body } = await post<{ readonly id: string }>(`${taker.httpUrl}/control`, {
        command: `ON_${place}`,
        deviceId: 'lamp',
      });
      expect(status).toBe(202);
      for (const teller of fleet.replicas) {
        const command = await eventually('the command is SENT', async () => {
          const answer = await get<{ readonly status: string }>(`${teller.httpUrl}/v1/commands/${body.id}`);
          return answer.status === 200 && answer.body.status === 'SENT' && answer.body;
        });
        expect(command).toMatchObject({ id: body.id, type: `ON_${place}`, attempts: 1 });
      }
    }
    expect(listener.received.map(({ payload }) => payload)).toEqual(
      fleet.replicas.map((_, place) => `{"command":"ON_${place}"}`),
    );
    await device.endAsync();
  });

  it('takes the first message of a device, and any other knows then where its commands go', async () => {
    const device = await connectMqtt(fleet.brokerUrl);
    const listener = await listenTo(device, 'devices/pump/down/commands/+');
    await device.publishAsync('devices/pump/up/telemetry', '{"pressure": 2}', { qos: 1 });
    await answers('/sensors?deviceId=pump', 1);
    for (const { httpUrl } of fleet.replicas) await post(`${httpUrl}/control`, { command: 'STOP', deviceId: 'pump' });
    await eventually('all three commands came', () => listener.received.length === 3);
    await device.endAsync();
  });
});

describeWith(['postgres'], 'the embedded broker with PostgreSQL', () => {
  let postgres: Postgres;
  const files = temporaryDirectory();
  beforeAll(async () => {
    postgres = await startPostgres();
  }, 60_000);
  afterAll(async () => {
    await postgres?.remove();
    files.remove();
  });

  it('is for one replica: a second is refused with a clear message, and starts at once when the first was killed', async () => {
    const [one, two] = ['one', 'two'].map((name) => join(files.path, name)) as [string, string];
    for (const directory of [one, two]) mkdirSync(directory);
    const settings = { DATABASE_URL: await postgres.createDatabase() };
    const first = await startService(one, settings);
    const { code, output } = await startAndEnd(two, { ...settings, LOG_LEVEL: 'fatal' });
    expect(code).toBe(1);
    expect(output).toMatch(/another Signalbox/i);
    expect(output).toContain('MQTT_URL');
    expect(output).not.toMatch(/^\s+at /m);
    expect((await get(`${first.httpUrl}/readyz`)).status).toBe(200);

    expect(await first.stop('SIGKILL')).toBe('SIGKILL');
    const second = await startService(two, settings);
    expect((await get(`${second.httpUrl}/readyz`)).status).toBe(200);
    expect(await second.stop()).toBe(0);
  });
});
