import { expect } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { get } from '../support/http.js';
import { describeWith } from '../support/services.js';
import { together } from '../support/together.js';
import { Fleet } from './support/fleet.js';
import { Load } from './support/load.js';

interface Health {
  readonly broker: { readonly counters: Readonly<Record<string, number>> };
}

/** A test with a replica, a broker and a database of its own. */
function underLoad(test: (fleet: Fleet, load: Load) => Promise<void>): () => Promise<void> {
  return async () => {
    const fleet = await Fleet.start(1);
    let load: Load | null = null;
    try {
      load = await Load.start(fleet.brokerUrl, 6, 240);
      await test(fleet, load);
    } finally {
      await load?.end();
      await fleet.stop();
    }
  };
}

describeWith(['mosquitto', 'postgres'], 'one replica under load', () => {
  together(180_000, {
    'that is killed five times stores every reading that the broker acknowledged exactly once': underLoad(
      async (fleet, load) => {
        for (let round = 1; round <= 5; round++) {
          const before = (await fleet.readings('load-0')).length;
          await eventually('readings are stored', async () => (await fleet.readings('load-0')).length > before, 30_000);
          expect(await fleet.replicas[0]!.stop('SIGKILL')).toBe('SIGKILL');
          const goal = load.acknowledged + 100;
          await eventually('the broker takes in more meanwhile', () => load.acknowledged >= goal);
          await fleet.restart(0);
        }
        await load.stop();
        await fleet.expectAllStoredOnce(load);
      },
    ),

    'lives on when broker and database go away together, and stores every acknowledged reading once they are back':
      underLoad(async (fleet, load) => {
        const replica = fleet.replicas[0]!;
        const failures = async (): Promise<number> =>
          (await get<Health>(`${replica.httpUrl}/health`)).body.broker.counters['leases.failed'] ?? 0;
        await eventually('readings are acknowledged', () => load.acknowledged > 100);
        // By then its sessions have waited for a renewal of their leases that failed.
        await fleet.withoutBoth(async () => {
          await eventually('two renewals have failed', async () => (await failures()) >= 2, 60_000);
          expect([replica.child.exitCode, replica.child.signalCode]).toEqual([null, null]);
        });
        const goal = load.acknowledged + 100;
        await eventually('more are acknowledged', () => load.acknowledged >= goal, 30_000);
        await load.stop();
        await fleet.expectAllStoredOnce(load);
      }),
  });
});
