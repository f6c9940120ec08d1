import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { pick, type Random, seededRandom } from '../../src/cli/simulate/random.js';
import { eventually } from '../support/eventually.js';
import { get } from '../support/http.js';
import { describeWith } from '../support/services.js';
import { Fleet } from './support/fleet.js';
import { Load } from './support/load.js';

const REPLICAS = 3;
const DEVICES = 6;
const PER_SECOND = 240;
const STEPS = ['kill', 'kill', 'kill', 'kill', 'restart the broker', 'restart the database', 'drain'] as const;

/** SIGNALBOX_SEED repeats a run that failed. */
const seed = Number(process.env['SIGNALBOX_SEED'] ?? Date.now() % 1_000_000);

describeWith(['mosquitto', 'postgres'], `three replicas under load (SIGNALBOX_SEED=${seed})`, () => {
  let fleet: Fleet;
  let load: Load;
  beforeEach(async () => {
    fleet = await Fleet.start(REPLICAS);
    load = await Load.start(fleet.brokerUrl, DEVICES, PER_SECOND);
  }, 60_000);
  afterEach(async () => {
    await load?.end();
    await fleet?.stop();
  }, 60_000);

  /** Resolves when the broker has acknowledged `count` more readings. */
  async function more(count: number): Promise<void> {
    const goal = load.acknowledged + count;
    await eventually(`${count} more readings are acknowledged`, () => load.acknowledged >= goal, 30_000);
  }

  async function take(step: (typeof STEPS)[number], random: Random): Promise<void> {
    const place = pick(random, [0, 1, 2]);
    const replica = fleet.replicas[place]!;
    if (step === 'restart the broker') return fleet.restartBroker();
    if (step === 'restart the database') return fleet.restartDatabase();
    const code = await replica.stop(step === 'kill' ? 'SIGKILL' : 'SIGTERM');
    expect(code).toBe(step === 'kill' ? 'SIGKILL' : 0);
    await more(50 + Math.floor(random() * 400));
    await fleet.restart(place);
  }

  it('store every reading that the broker acknowledged exactly once, whatever is killed, restarted or drained', async () => {
    const random = seededRandom(seed, 0);
    const left: (typeof STEPS)[number][] = [...STEPS];
    while (left.length > 0) {
      const step = pick(random, left as [(typeof STEPS)[number], ...(typeof STEPS)[number][]]);
      left.splice(left.indexOf(step), 1);
      await more(100 + Math.floor(random() * 400));
      await take(step, random);
    }
    await more(200);
    await load.stop();
    await fleet.expectAllStoredOnce(load);
    for (const { child, httpUrl } of fleet.replicas) {
      expect([child.exitCode, child.signalCode]).toEqual([null, null]);
      await eventually('it is ready', async () => (await get(`${httpUrl}/readyz`)).status === 200, 20_000);
    }
    await fleet.balanced(REPLICAS);
  }, 180_000);
});
