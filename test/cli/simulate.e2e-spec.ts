import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { connectAsync } from 'mqtt';
import type { MqttClient } from 'mqtt';
import type { Summary } from '../../src/cli/simulate/summary.js';
import { eventually } from '../support/eventually.js';
import { describeWith, endChild, freePort, startMosquitto } from '../support/services.js';
import type { Mosquitto } from '../support/services.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

const PROGRAM = resolve('dist/cli/signalbox.js');

/** A run of the built program; what it printed so far is in `out` and `err`. */
class Run {
  private static readonly running = new Set<Run>();
  readonly child: ChildProcess;
  out = '';
  err = '';
  private readonly ended: Promise<number | null>;

  constructor(...args: readonly string[]) {
    this.child = spawn(process.execPath, [PROGRAM, 'simulate', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout!.on('data', (chunk: Buffer) => (this.out += chunk.toString()));
    this.child.stderr!.on('data', (chunk: Buffer) => (this.err += chunk.toString()));
    this.ended = once(this.child, 'close').then(([code]) => code as number | null);
    Run.running.add(this);
  }

  /** The exit code, once it has ended by itself. */
  async code(): Promise<number | null> {
    return await this.ended;
  }

  /** The JSON summary, after SIGINT. */
  async interrupt(): Promise<Summary> {
    this.child.kill('SIGINT');
    expect(await this.ended).toBe(0);
    return JSON.parse(this.out) as Summary;
  }

  static async endAll(): Promise<void> {
    await Promise.all([...Run.running].map(({ child }) => endChild(child, 'SIGKILL')));
    Run.running.clear();
  }
}

interface Heard {
  readonly topic: string;
  readonly payload: string;
  readonly retain: boolean;
}

/** The service's side: hears everything below `devices/` and `poc/` and can speak to the devices. */
async function listen(url: string, heard: Heard[]): Promise<MqttClient> {
  const client = await connectAsync(url, { protocolVersion: 4, reconnectPeriod: 0 });
  client.on('message', (topic, payload, { retain }) => heard.push({ topic, payload: payload.toString(), retain }));
  await client.subscribeAsync(['devices/#', 'poc/#'], { qos: 1 });
  return client;
}

function objects(heard: readonly Heard[], topic: RegExp): Record<string, unknown>[] {
  return heard
    .filter((one) => topic.test(one.topic))
    .flatMap(({ payload }) => {
      try {
        return [JSON.parse(payload) as Record<string, unknown>];
      } catch {
        return [];
      }
    });
}

const NATIVE = /^devices\/sim-\d{4}\/up\/telemetry$/;

afterEach(() => Run.endAll());

describeWith(['mosquitto'], 'signalbox simulate beside a broker', () => {
  let broker: Mosquitto;
  let service: MqttClient;
  let heard: Heard[];

  beforeEach(async () => {
    broker = await startMosquitto();
    heard = [];
    service = await listen(broker.url, heard);
  });

  afterEach(async () => {
    await service.endAsync(true);
    await broker.stop();
  });

  function simulate(...args: readonly string[]): Run {
    return new Run('--url', broker.url, '--fault-rate', '0', '--json', ...args);
  }

  it('publishes telemetry envelopes, all acknowledged, and every reading arrives once', async () => {
    const run = simulate('--devices', '4', '--rate', '20', '--duration', '2');
    expect(await run.code()).toBe(0);
    const summary = JSON.parse(run.out) as Summary;
    expect(summary).toMatchObject({
      devices: 4,
      unacknowledged: 0,
      unsent: 0,
      resent: 0,
      connects: 4,
      connectionsLost: 0,
    });
    expect(summary.acknowledged).toBe(summary.sent);
    expect(summary.sent).toBeGreaterThan(80);
    expect(summary.sent).toBeLessThan(180);
    expect(summary.latencyMs.p99).toBeGreaterThanOrEqual(summary.latencyMs.p50!);
    const readings = await eventually('all are heard', () => {
      const all = objects(heard, NATIVE);
      return all.length >= summary.sent && all;
    });
    expect(readings).toHaveLength(summary.sent);
    expect(new Set(heard.filter(({ topic }) => NATIVE.test(topic)).map((one) => one.topic + one.payload)).size).toBe(
      summary.sent,
    );
    for (const reading of readings) {
      expect(reading).toMatchObject({ values: { temperature: expect.any(Number), humidity: expect.any(Number) } });
      expect(Math.abs(Number(reading['ts']) - Date.now())).toBeLessThan(60_000);
      expect(typeof (reading['id'] ?? reading['seq'])).toMatch(/string|number/);
    }
  });

  it('says online with the boot id, retained, and offline with the same id when it ends', async () => {
    const run = simulate('--devices', '1', '--rate', '0');
    const online = await eventually('online', () => objects(heard, /up\/status$/)[0]);
    expect(online).toEqual({ online: true, session: expect.any(String) });
    await run.interrupt();
    const last = await eventually('offline', () => objects(heard, /up\/status$/)[1]);
    expect(last).toEqual({ online: false, session: online['session'] });
    const late: Heard[] = [];
    const other = await listen(broker.url, late);
    await eventually('the retained status', () =>
      late.some(({ topic, retain }) => topic.endsWith('up/status') && retain),
    );
    await other.endAsync(true);
  });

  it('leaves its will behind when it dies', async () => {
    const run = simulate('--devices', '1', '--rate', '0');
    const online = await eventually('online', () => objects(heard, /up\/status$/)[0]);
    await endChild(run.child, 'SIGKILL');
    const will = await eventually('the will', () => objects(heard, /up\/status$/)[1]);
    expect(will).toEqual({ online: false, session: online['session'] });
  });

  it('answers commands, says its answer again on a repeat, and counts them', async () => {
    const run = simulate('--devices', '1', '--rate', '0', '--seed', '1');
    await eventually('online', () => objects(heard, /up\/status$/)[0]);
    const send = (id: string, type: string, ttlMs = 60_000) =>
      service.publishAsync(
        `devices/sim-0001/down/commands/${id}`,
        JSON.stringify({ id, type, params: {}, attempt: 1, expiresAt: '', ttlMs }),
        { qos: 1 },
      );
    const answers = (id: string) => objects(heard, new RegExp(`^devices/sim-0001/up/commands/${id}$`));
    await send('c1', 'TURN_ON_FAN');
    await send('c2', 'NO_SUCH');
    await send('c3', 'PING', 1);
    await send('c4', 'PING');
    await service.publishAsync('devices/sim-0001/down/commands/c4/cancel', '{}', { qos: 1 });
    await service.publishAsync('devices/sim-0001/down/errors', '{"code":"BAD_TIMESTAMP","detail":"x","ref":null}');
    await eventually('all are final', () => answers('c1').length === 2 && answers('c4').length === 1);
    expect(answers('c1')).toEqual([{ status: 'accepted' }, { status: 'succeeded', result: { fan: true } }]);
    expect(answers('c2')).toEqual([{ status: 'rejected', code: 'UNKNOWN_TYPE' }]);
    expect(answers('c3')).toEqual([{ status: 'rejected', code: 'EXPIRED' }]);
    expect(answers('c4')).toEqual([{ status: 'cancelled' }]);
    await send('c1', 'TURN_ON_FAN');
    await eventually('the stored answer', () => answers('c1').length === 3);
    expect(answers('c1')[2]).toEqual(answers('c1')[1]);
    expect(await run.interrupt()).toMatchObject({
      commands: { received: 4, repeated: 1, succeeded: 1, failed: 0, rejected: 2, cancelled: 1 },
      serviceErrors: { BAD_TIMESTAMP: 1 },
    });
  });

  it('gets every reading acknowledged when the broker is killed and comes back', async () => {
    const run = simulate('--devices', '5', '--rate', '20');
    await eventually('readings flow', () => objects(heard, NATIVE).length > 50);
    await broker.kill();
    await eventually('the loss is noticed', () => run.err.includes('Lost the service'));
    broker = await startMosquitto({ port: broker.port });
    service = await listen(broker.url, heard);
    const before = heard.length;
    await eventually('all are back', () => run.err.includes('The service is back') && heard.length > before + 200);
    const summary = await run.interrupt();
    expect(summary.connectionsLost).toBe(5);
    expect(summary).toMatchObject({ acknowledged: summary.sent, unacknowledged: 0, unsent: 0, skipped: 0 });
  });

  it('loses no reading and invents none when the network is cut again and again', async () => {
    const network = await startTcpProxy(broker.port);
    const run = simulate('--url', `mqtt://127.0.0.1:${network.port}`, '--devices', '4', '--rate', '50');
    const distinct = () => new Set(objects(heard, NATIVE).map((reading) => JSON.stringify(reading)));
    for (let cuts = 1; cuts <= 3; cuts++) {
      const before = distinct().size;
      await eventually('readings flow', () => distinct().size > before + 60);
      network.cut();
      const notes = () => run.err.split('Lost the service').length - 1;
      await eventually('the loss is noticed', () => notes() === cuts);
      network.restore();
      await eventually('they are back', () => run.err.split('The service is back').length - 1 === cuts);
    }
    const summary = await run.interrupt();
    await network.stop();
    expect(summary).toMatchObject({ acknowledged: summary.sent, unacknowledged: 0, unsent: 0, skipped: 0 });
    await eventually('all is heard', () => distinct().size >= summary.sent);
    expect(distinct().size).toBe(summary.sent);
    // Devices count their readings: without a gap from 1, nothing between the first and the last is missing.
    const counts = new Map<string, Set<number>>();
    for (const { topic, payload } of heard.filter((one) => NATIVE.test(one.topic))) {
      const { id, seq } = JSON.parse(payload) as { readonly id?: string; readonly seq?: number };
      const count = seq ?? Number(id?.split('-').at(-1));
      counts.set(topic, (counts.get(topic) ?? new Set()).add(count));
    }
    expect(counts.size).toBe(4);
    for (const seen of counts.values()) expect(Math.max(...seen)).toBe(seen.size);
  });

  it('makes faults on purpose, counts them apart, and still gets every reading acknowledged', async () => {
    const run = simulate('--devices', '5', '--rate', '20', '--duration', '4', '--fault-rate', '0.2', '--seed', '5');
    expect(await run.code()).toBe(0);
    const { sent, acknowledged, faults, connectionsLost } = JSON.parse(run.out) as Summary;
    expect(acknowledged).toBe(sent);
    for (const count of Object.values(faults)) expect(count).toBeGreaterThan(0);
    expect(connectionsLost).toBeGreaterThan(0);
    expect(connectionsLost).toBeLessThanOrEqual(faults.disconnect);
  });

  it('speaks foreign topics with --foreign, flat and without a status', async () => {
    const run = simulate('--devices', '2', '--rate', '10', '--foreign');
    const readings = await eventually('readings', () => {
      const all = objects(heard, /^poc\/sim-000[12]\/sensor$/);
      return all.length > 5 && all;
    });
    expect(readings[0]).toMatchObject({ temperature: expect.any(Number), ts: expect.any(Number) });
    await service.publishAsync('poc/sim-0001/control', '{"command":"TURN_ON_FAN"}', { qos: 1 });
    await eventually('the fan runs', () => objects(heard, /^poc\/sim-0001\/sensor$/).some(({ fan }) => fan === true));
    expect(await run.interrupt()).toMatchObject({ commands: { received: 1 }, unacknowledged: 0 });
    expect(heard.some(({ topic }) => topic.startsWith('devices/'))).toBe(false);
  });

  it('publishes with QoS 0 and 2 too, and claims no acknowledgements for QoS 0', async () => {
    const [none, twice] = [
      simulate('--devices', '2', '--rate', '10', '--duration', '1', '--qos', '0'),
      simulate('--devices', '2', '--rate', '10', '--duration', '1', '--qos', '2', '--prefix', 'site/a'),
    ];
    expect([await none.code(), await twice.code()]).toEqual([0, 0]);
    expect(JSON.parse(none.out)).toMatchObject({ acknowledged: null, unacknowledged: null, latencyMs: { p50: null } });
    const summary = JSON.parse(twice.out) as Summary;
    expect(summary.sent).toBeGreaterThan(5);
    expect(summary.acknowledged).toBe(summary.sent);
  });

  it('prints plain lines without control characters where there is no terminal, and a summary for people', async () => {
    const run = new Run('--url', broker.url, '--devices', '2', '--rate', '5');
    await eventually('a progress line', () => /^\d+s  sent \d+  acknowledged \d+ .* devices 2\/2 /m.test(run.out));
    run.child.kill('SIGTERM');
    expect(await run.code()).toBe(0);
    expect(run.out).toMatch(/^readings {4}sent (\d+), acknowledged \1, not acknowledged 0/m);
    // oxlint-disable-next-line no-control-regex -- that there is none is the point
    expect(run.out).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
    expect(run.err).toBe('');
  });
});

describeWith(['mosquitto'], 'signalbox simulate beside a broker that wants a password', () => {
  it('says that it was refused, at once, and exits with 1', async () => {
    const broker = await startMosquitto({ config: 'allow_anonymous false' });
    const run = new Run('--url', broker.url.replace('mqtt://', 'mqtt://someone:secret@'));
    expect(await run.code()).toBe(1);
    expect(run.err).toMatch(/refused the devices: .*Not authorized/i);
    expect(run.out + run.err).not.toContain('secret');
    await broker.stop();
  });
});

describe('signalbox simulate without a broker', () => {
  it('says what to do and exits with 69 when nothing listens within --connect-timeout', async () => {
    const url = `mqtt://127.0.0.1:${await freePort()}`;
    const run = new Run('--url', url, '--connect-timeout', '1', '--json');
    expect(await run.code()).toBe(69);
    expect(run.err).toMatch(/Is Signalbox running\? Start it with: npm start/);
    expect(run.err).toContain(url);
    expect(JSON.parse(run.out)).toMatchObject({ sent: 0, acknowledged: 0, connects: 0 });
  });

  it('exits with 69 when the duration ends first', async () => {
    const run = new Run('--url', `mqtt://127.0.0.1:${await freePort()}`, '--duration', '1');
    expect(await run.code()).toBe(69);
  });

  it.each([
    [['--devices', '0'], /--devices.*whole number from 1 to 10000/],
    [['--rate', '1e9'], /--rate.*number from 0/],
    [['--duration', '-1'], /--duration/],
    [['--url', 'http://127.0.0.1'], /--url.*mqtt:\/\//],
    [['--prefix', 'a/b/c'], /--prefix.*two levels/],
    [['--prefix', 'a/#'], /--prefix.*wildcard/],
    [['--qos', '3'], /--qos/],
    [['--fault-rate', '2'], /--fault-rate/],
    [['--seed', 'x'], /--seed/],
    [['--colour', 'red'], /unknown option/],
    [['extra'], /too many arguments/],
  ])('refuses %j with exit code 2 and names what is wrong', async (args, message) => {
    const run = new Run(...args);
    expect(await run.code()).toBe(2);
    expect(run.err).toMatch(message);
    expect(run.out).toBe('');
  });

  it('explains itself with --help, exit code 0', async () => {
    const run = new Run('--help');
    expect(await run.code()).toBe(0);
    for (const option of ['--devices', '--rate', '--duration', '--url', '--foreign', '--json']) {
      expect(run.out).toContain(option);
    }
  });
});
