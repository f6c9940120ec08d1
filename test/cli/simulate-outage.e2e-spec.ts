import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { MqttClient } from 'mqtt';
import type { Summary } from '../../src/cli/simulate/summary.js';
import { eventually } from '../support/eventually.js';
import { describeWith, startMosquitto } from '../support/services.js';
import type { Mosquitto } from '../support/services.js';
import { listen, NATIVE, objects, SimulatorRun } from '../support/simulator.js';
import type { Heard } from '../support/simulator.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import type { TcpProxy } from '../support/tcp-proxy.js';

afterEach(() => SimulatorRun.endAll());

describeWith(['mosquitto'], 'signalbox simulate through an outage', () => {
  let broker: Mosquitto;
  let service: MqttClient;
  let heard: Heard[];
  let network: TcpProxy;

  beforeEach(async () => {
    broker = await startMosquitto();
    network = await startTcpProxy(broker.port);
    heard = [];
    service = await listen(broker.url, heard);
  });

  afterEach(async () => {
    await service.endAsync(true);
    await network.stop();
    await broker.stop();
  });

  function simulate(...args: readonly string[]): SimulatorRun {
    return new SimulatorRun('--url', broker.url, '--fault-rate', '0', '--json', ...args);
  }

  function distinct(): Set<string> {
    return new Set(objects(heard, NATIVE).map((reading) => JSON.stringify(reading)));
  }

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
    const run = simulate('--url', `mqtt://127.0.0.1:${network.port}`, '--devices', '4', '--rate', '50');
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

  describe('when the service stops answering for good', () => {
    let run: SimulatorRun;

    async function stallWhileRunning(...args: readonly string[]): Promise<void> {
      run = simulate('--url', `mqtt://127.0.0.1:${network.port}`, '--devices', '2', '--rate', '20', ...args);
      await eventually('readings flow', () => objects(heard, NATIVE).length > 30);
      network.stall();
    }

    it('exits with 1 at the end of the duration and says how many were not acknowledged', async () => {
      await stallWhileRunning('--duration', '3');
      expect(await run.code()).toBe(1);
      const { sent, acknowledged, unacknowledged } = JSON.parse(run.out) as Summary;
      expect(unacknowledged).toBeGreaterThan(0);
      expect(sent).toBe(acknowledged! + unacknowledged!);
    });

    it('waits for it when interrupted, but not when interrupted again; the exit code is 0', async () => {
      await stallWhileRunning();
      await eventually('readings wait for their acknowledgement', () =>
        [...run.err.matchAll(/sent (\d+) {2}acknowledged (\d+)/g)].some(
          ([, sent, acknowledged]) => sent !== acknowledged,
        ),
      );
      run.child.kill('SIGINT');
      await eventually('it is stopping', () => run.err.includes('Stopping'));
      const again = Date.now();
      const { unacknowledged } = await run.interrupt();
      expect(Date.now() - again).toBeLessThan(3_000);
      expect(unacknowledged).toBeGreaterThan(0);
    });
  });
});
