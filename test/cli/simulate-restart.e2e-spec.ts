import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Summary } from '../../src/cli/simulate/summary.js';
import { eventually } from '../support/eventually.js';
import { get, post } from '../support/http.js';
import { startService, temporaryDirectory } from '../support/process.js';
import type { Service } from '../support/process.js';
import { freePort } from '../support/services.js';
import { SimulatorRun } from '../support/simulator.js';

interface Stored {
  readonly deviceId: string;
  readonly timestamp: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

describe('signalbox simulate beside Signalbox', () => {
  let directory: { readonly path: string; remove(): void };
  let settings: Record<string, string>;
  let service: Service;

  beforeEach(async () => {
    directory = temporaryDirectory();
    settings = { MQTT_PORT: String(await freePort()) };
    service = await startService(directory.path, settings);
  });

  afterEach(async () => {
    await SimulatorRun.endAll();
    await service.stop('SIGKILL');
    directory.remove();
  });

  async function stored(): Promise<readonly Stored[]> {
    return (await get<readonly Stored[]>(`${service.httpUrl}/sensors?limit=10000`)).body;
  }

  it('has every reading stored exactly once, although the service is killed three times', async () => {
    const devices = ['--devices', '5', '--rate', '20', '--fault-rate', '0.02', '--seed', '11'];
    const run = new SimulatorRun('--url', service.mqttUrl, '--json', ...devices);
    for (let kills = 1; kills <= 3; kills++) {
      const before = (await stored()).length;
      await eventually('readings are stored', async () => (await stored()).length > before + 80);
      await service.stop('SIGKILL');
      await eventually('the loss is noticed', () => run.err.split('Lost the service').length - 1 === kills);
      service = await startService(directory.path, settings);
    }
    await eventually('they are back', () => run.err.split('The service is back').length - 1 === 3);
    const summary: Summary = await run.interrupt();
    expect(summary).toMatchObject({ acknowledged: summary.sent, unacknowledged: 0, unsent: 0, skipped: 0 });
    const readings = await stored();
    expect(readings).toHaveLength(summary.sent);
    const distinct = new Set(
      readings.map(({ deviceId, timestamp, payload }) => JSON.stringify([deviceId, timestamp, payload])),
    );
    expect(distinct.size).toBe(summary.sent);
  });

  it.each([
    ['native topics', []],
    ['foreign topics', ['--foreign']],
  ])('obeys POST /control on %s', async (_, kind) => {
    const options = ['--devices', '1', '--rate', '10', '--seed', '1', '--fault-rate', '0', ...kind];
    const run = new SimulatorRun('--url', service.mqttUrl, '--json', ...options);
    await eventually('a reading is stored', async () => (await stored()).at(-1)?.payload['fan'] === false);
    const { status } = await post(`${service.httpUrl}/control`, { command: 'TURN_ON_FAN', deviceId: 'sim-0001' });
    expect(status).toBe(202);
    await eventually('the fan runs', async () => (await stored()).at(-1)?.payload['fan'] === true);
    expect((await run.interrupt()).commands.received).toBe(1);
  });
});
