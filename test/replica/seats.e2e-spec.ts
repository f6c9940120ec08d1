import { expect } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { describeWith } from '../support/services.js';
import { together } from '../support/together.js';
import { Fleet } from './support/fleet.js';
import { Load } from './support/load.js';

/** What a slow machine may need beyond the time that is promised. */
const SLACK_MS = 5_000;
const LEASE_MS = 10_000;
const HANDOVER_MS = 2_000;

/** A test with two replicas, a broker and a database of its own, under load. */
function withTwo(test: (fleet: Fleet, load: Load) => Promise<void>): () => Promise<void> {
  return async () => {
    const fleet = await Fleet.start(2);
    let load: Load | null = null;
    try {
      await fleet.balanced(2);
      load = await Load.start(fleet.brokerUrl, 4, 100);
      await more(load, 100);
      await test(fleet, load);
    } finally {
      await load?.end();
      await fleet.stop();
    }
  };
}

async function more(load: Load, count: number): Promise<void> {
  const goal = load.acknowledged + count;
  await eventually(`${count} more readings are acknowledged`, () => load.acknowledged >= goal, 30_000);
}

/** The longest time that a reading sent after `since` was on its way to a replica, in milliseconds. */
async function longestWay(fleet: Fleet, load: Load, since: number): Promise<number> {
  const readings = (await Promise.all(load.devices.map(({ id }) => fleet.readings(id, fleet.replicas[1])))).flat();
  const ways = readings
    .filter(({ timestamp }) => Date.parse(timestamp) >= since)
    .map(({ timestamp, receivedAt }) => Date.parse(receivedAt) - Date.parse(timestamp));
  return Math.max(...ways);
}

function takenOver(signal: 'SIGTERM' | 'SIGKILL', promised: number): () => Promise<void> {
  return withTwo(async (fleet, load) => {
    const began = Date.now();
    expect(await fleet.replicas[0]!.stop(signal)).toBe(signal === 'SIGTERM' ? 0 : signal);
    await fleet.balanced(1);
    await more(load, 100);
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
    expect(await longestWay(fleet, load, began)).toBeLessThan(promised + SLACK_MS);
  });
}

describeWith(['mosquitto', 'postgres'], 'the seats of two replicas', () => {
  together(120_000, {
    [`are taken over after SIGTERM so soon that no reading waits longer than ${HANDOVER_MS} ms`]: takenOver(
      'SIGTERM',
      HANDOVER_MS,
    ),
    [`are taken over after SIGKILL so soon that no reading waits longer than ${LEASE_MS} ms`]: takenOver(
      'SIGKILL',
      LEASE_MS,
    ),

    'are not fought for by a replica that was stopped for longer than its lease and wakes': withTwo(
      async (fleet, load) => {
        const paused = fleet.replicas[0]!;
        paused.child.kill('SIGSTOP');
        const taken = await fleet.balanced(1);
        await more(load, 100);
        const [takeOvers, connects] = [fleet.log.takeOvers.length, fleet.log.connects.length];
        paused.child.kill('SIGCONT');
        // It joins again as any other: it is given its share, once the one who holds it has drained.
        const shared = await fleet.balanced(2);
        expect([...new Set(taken.values())].every((holder) => [...shared.values()].includes(holder))).toBe(true);
        await more(load, 500);
        expect(fleet.log.takeOvers.slice(takeOvers)).toEqual([]);
        const seats = fleet.log.connects.slice(connects).filter((id) => id.includes('-seat-'));
        expect(seats).toHaveLength(new Set(seats).size);
        await load.stop();
        await fleet.expectAllStoredOnce(load);
        expect([paused.child.exitCode, paused.child.signalCode]).toEqual([null, null]);
      },
    ),
  });
});
