import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { eventually } from '../support/eventually.js';
import { get } from '../support/http.js';
import { type Service, startService, temporaryDirectory } from '../support/process.js';
import { commandIn, MqttTap } from './support/mqtt-tap.js';
import { ObedientDevice } from './support/obedient-device.js';
import { order } from './support/orders.js';
import { type CommandBody, expectTruth, untilFinal, Witness } from './support/truth.js';

const TTL_MS = 5_000;

describe('Commands of a process that was killed', () => {
  const directories: ReturnType<typeof temporaryDirectory>[] = [];
  let path: string;
  let service: Service;
  let tap: MqttTap;
  let witness: Witness;
  beforeEach(async () => {
    const directory = temporaryDirectory();
    directories.push(directory);
    ({ path } = directory);
    tap = await MqttTap.start();
    witness = new Witness(tap);
    await start();
  });
  afterEach(async () => {
    await service.stop('SIGKILL');
    await tap.stop();
    for (const directory of directories.splice(0)) directory.remove();
  });

  async function start(): Promise<void> {
    service = await startService(path);
    tap.target = service.mqttPort;
  }

  async function kill(): Promise<void> {
    tap.target = null;
    await service.stop('SIGKILL');
  }

  const is = (id: string, status: string) =>
    eventually(
      `it is ${status}`,
      async () => (await get<CommandBody>(`${service.httpUrl}/v1/commands/${id}`)).body.status === status,
    );

  it('have ended when it runs again and their time is over, and nothing is sent any more', async () => {
    const devices = (['starts', 'silent'] as const).map((habit) => new ObedientDevice(tap.url, habit, habit, true));
    await Promise.all(devices.map((device) => device.ready()));
    const asked = { ttlMs: TTL_MS, resultTimeoutMs: 2_000, maxAttempts: 10 };
    const given = await Promise.all(
      ['starts', 'silent', 'away'].map(async (id) => (await order(service.httpUrl, id, asked))!.id),
    );
    await Promise.all([is(given[0]!, 'ACKED'), is(given[1]!, 'DELIVERED')]);
    await kill();
    const over = Date.now() + TTL_MS;
    await eventually('their time is over', () => Date.now() > over);
    await start();
    const ends = await Promise.all(given.map((id) => untilFinal(service.httpUrl, id)));
    expect(ends).toMatchObject([
      { status: 'TIMED_OUT', outcome: 'unknown', attempts: 1 },
      { status: 'EXPIRED', outcome: 'unknown', attempts: 1, error: { code: 'NO_ANSWER' } },
      { status: 'EXPIRED', outcome: 'not_executed', attempts: 0, error: null },
    ]);
    await Promise.all(devices.map((device) => device.end()));
    expect(given.map((id) => witness.of(id).length)).toEqual([1, 1, 0]);
  });

  it('that wait for their device are sent once it is back, also if it comes only after the start', async () => {
    const { id } = (await order(service.httpUrl, 'sleeper', { ttlMs: 30_000 }))!;
    await kill();
    await start();
    const device = new ObedientDevice(tap.url, 'sleeper', 'succeeds', true);
    const end = await untilFinal(service.httpUrl, id);
    expect(end).toMatchObject({ status: 'SUCCEEDED', attempts: 1 });
    expectTruth(end, 3, witness.of(id), device.deeds.get(id));
    await device.end();
  });

  it('are not sent after their end, also where the attempt was committed only then', async () => {
    const { id } = (await order(service.httpUrl, 'slow', { ttlMs: 4_000 }))!;
    const { body } = await get<CommandBody>(`${service.httpUrl}/v1/commands/${id}`);
    const holder = spawn(process.execPath, [resolve('test/storage/hold-lock.mjs'), join(path, 'data/signalbox.db')]);
    await once(holder.stdout, 'data');
    const device = new ObedientDevice(tap.url, 'slow', 'succeeds', true);
    await device.ready();
    await eventually('it is over', () => Date.now() > Date.parse(body.expiresAt));
    holder.stdin.end();
    await once(holder, 'exit');
    const end = await untilFinal(service.httpUrl, id);
    expect([end.status, witness.of(id)]).toEqual(['EXPIRED', []]);
    // It was begun, and nobody can say for sure that it never left.
    expect([end.attempts, end.outcome]).toEqual([1, 'unknown']);
    await device.end();
  });

  it('go to a device that never answers maxAttempts times at most, however often the process dies of it', async () => {
    const [maxAttempts, ttlMs] = [2, 12_000];
    const device = new ObedientDevice(tap.url, 'rebooting', 'silent', true);
    await device.ready();
    const end = tap.onPacket(({ packet }) => {
      if (commandIn(packet)) service.child.kill('SIGKILL');
    });
    // The answer to the create may be lost with the process.
    void order(service.httpUrl, device.id, { ttlMs, maxAttempts });
    for (let deaths = 0; deaths < maxAttempts; deaths++) {
      await eventually('it has died of a publish', () => service.child.signalCode);
      await kill();
      await start();
    }
    end();
    const [id] = witness.publishes.keys();
    const last = await untilFinal(service.httpUrl, id!);
    expect(last).toMatchObject({ status: 'EXPIRED', outcome: 'unknown', attempts: maxAttempts });
    expect(last.history.map(({ status }) => status)).not.toContain('DELIVERED');
    expect(witness.of(id!).map(({ attempt }) => attempt)).toEqual([1, 2]);
    await device.end();
  });
});
