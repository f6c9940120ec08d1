import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { MqttClient } from 'mqtt';
import type { Summary } from '../../src/cli/simulate/summary.js';
import { eventually } from '../support/eventually.js';
import { describeWith, endChild, startMosquitto } from '../support/services.js';
import type { Mosquitto } from '../support/services.js';
import { listen, NATIVE, objects, SimulatorRun } from '../support/simulator.js';
import type { Heard } from '../support/simulator.js';

afterEach(() => SimulatorRun.endAll());

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

  function simulate(...args: readonly string[]): SimulatorRun {
    return new SimulatorRun('--url', broker.url, '--fault-rate', '0', '--json', ...args);
  }

  function answers(id: string): Record<string, unknown>[] {
    return objects(heard, new RegExp(`^devices/sim-0001/up/commands/${id}$`));
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

  it('subscribes before it says online, so that a command sent at that very moment arrives', async () => {
    const devices = 20;
    service.on('message', (topic) => {
      if (!topic.endsWith('/up/status')) return;
      const command = topic.replace('/up/status', '/down/commands/first');
      service.publish(command, '{"id":"first","type":"PING","params":{},"ttlMs":60000}', { qos: 1 });
    });
    const run = simulate('--devices', String(devices), '--rate', '0');
    await eventually('all have answered', () => {
      const accepted = objects(heard, /up\/commands\/first$/).filter(({ status }) => status === 'accepted');
      return accepted.length === devices;
    });
    expect((await run.interrupt()).commands).toMatchObject({ received: devices, rejected: 0 });
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
      commands: {
        received: 4,
        repeated: 1,
        accepted: 1,
        progress: 0,
        succeeded: 1,
        failed: 0,
        rejected: 2,
        cancelled: 1,
      },
      serviceErrors: { BAD_TIMESTAMP: 1 },
    });
  });

  it('reports the progress of a calibration, and counts it', async () => {
    const run = simulate('--devices', '1', '--rate', '0');
    await eventually('online', () => objects(heard, /up\/status$/)[0]);
    const calibrate = '{"id":"c1","type":"CALIBRATE","params":{},"ttlMs":60000}';
    await service.publishAsync('devices/sim-0001/down/commands/c1', calibrate, { qos: 1 });
    await eventually('it is finished', () => /succeeded|failed/.test(String(answers('c1').at(-1)?.['status'])));
    const underWay = [20, 40, 60, 80].map((progress) => ({ status: 'progress', progress }));
    expect(answers('c1').slice(0, -1)).toEqual([{ status: 'accepted' }, ...underWay]);
    expect((await run.interrupt()).commands).toMatchObject({ received: 1, accepted: 1, progress: 4 });
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
    const run = new SimulatorRun('--url', broker.url, '--devices', '2', '--rate', '5');
    await eventually('a progress line', () => /^\d+s  sent \d+  acknowledged \d+ .* online 2\/2 /m.test(run.out));
    run.child.kill('SIGTERM');
    expect(await run.code()).toBe(0);
    expect(run.out).toMatch(/^readings {4}sent (\d+), acknowledged \1, not acknowledged 0/m);
    // oxlint-disable-next-line no-control-regex -- that there is none is the point
    expect(run.out).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
    expect(run.err).toBe('');
  });
});
