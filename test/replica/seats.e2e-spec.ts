import { afterEach, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { describeWith } from '../support/services.js';
import { Fleet } from './support/fleet.js';
import { Load } from './support/load.js';

/** What a slow machine may need beyond the time that is promised. */
const SLACK_MS = 5_000;
const LEASE_MS = 10_000;
const HANDOVER_MS = 2_000;

describeWith(['mosquitto', 'postgres'], 'the seats of two replicas', () => {
  let fleet: Fleet;
  let load: Load;
  afterEach(async () => {
    await load?.end();
    await fleet?.stop();
  }, 60_000);

  async function start(): Promise<void> {
    fleet = await Fleet.start(2);
    await fleet.balanced(2);
    load = await Load.start(fleet.brokerUrl, 4, 100);
    await more(100);
  }

  async function more(count: number): Promise<void> {
    const goal = load.acknowledged + count;
    await eventually(`${count} more readings are acknowledged`, () => load.acknowledged >= goal, 30_000);
  }

  /** The longest time that a reading sent after `since` was on its way to a replica, in milliseconds. */
  async function longestWay(since: number): Promise<number> {
    const readings = (await Promise.all(load.devices.map(({ id }) => fleet.readings(id, fleet.replicas[1])))).flat();
    const ways = readings
      .filter(({ timestamp }) => Date.parse(timestamp) >= since)
      .map(({ timestamp, receivedAt }) => Date.parse(receivedAt) - Date.parse(timestamp));
    return Math.max(...ways);
  }

  it.each([
    ['SIGTERM', HANDOVER_MS],
    ['SIGKILL', LEASE_MS],
  ] as const)(
    'are taken over after %s so soon that no reading waits longer than %i ms',
    async (signal, promised) => {
      await start();
      const began = Date.now();
      expect(await fleet.replicas[0]!.stop(signal)).toBe(signal === 'SIGTERM' ? 0 : signal);
      await fleet.balanced(1);
      await more(100);
      await load.stop();
      await eventually(
        'all are stored',
        async () => {
          const counts = await Promise.all(
            load.devices.map(async ({ id }) => (await fleet.readings(id, fleet.replicas[1])).length),
          );
          return load.devices.every(({ sent }, i) => counts[i] === sent);
        },
        30_000,
      );
      expect(await longestWay(began)).toBeLessThan(promised + SLACK_MS);
    },
    90_000,
  );

  it('are not fought for by a replica that was stopped for longer than its lease and wakes', async () => {
    await start();
    const paused = fleet.replicas[0]!;
    paused.child.kill('SIGSTOP');
    const taken = await fleet.balanced(1);
    await more(100);
    const [takeOvers, connects] = [fleet.log.takeOvers.length, fleet.log.connects.length];
    paused.child.kill('SIGCONT');
    // It joins again as any other: it is given its share, once the one who holds it has drained.
    const shared = await fleet.balanced(2);
    expect([...new Set(taken.values())].every((holder) => [...shared.values()].includes(holder))).toBe(true);
    await more(500);
    expect(fleet.log.takeOvers.slice(takeOvers)).toEqual([]);
    const seats = fleet.log.connects.slice(connects).filter((id) => id.includes('-seat-'));
    expect(seats).toHaveLength(new Set(seats).size);
    await load.stop();
    await fleet.expectAllStoredOnce(load);
    expect([paused.child.exitCode, paused.child.signalCode]).toEqual([null, null]);
  }, 120_000);
});
