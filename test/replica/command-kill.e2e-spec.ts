import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { pick, type Random, seededRandom } from '../../src/cli/simulate/random.js';
import { eventually } from '../support/eventually.js';
import { get } from '../support/http.js';
import { describeWith } from '../support/services.js';
import { commandIn } from '../control/support/mqtt-tap.js';
import type { Habit } from '../control/support/obedient-device.js';
import { anyCommand, order, type Order } from '../control/support/orders.js';
import { TappedFleet } from '../control/support/tapped-fleet.js';
import { type CommandBody, expectTruth, untilFinal } from '../control/support/truth.js';

const KILLS_EACH = 25;
const HABITS: readonly Habit[] = ['succeeds', 'fails', 'starts', 'hesitates', 'silent'];

/** SIGNALBOX_SEED repeats a run that failed. */
const seed = Number(process.env['SIGNALBOX_SEED'] ?? Date.now() % 1_000_000);

describeWith(['mosquitto', 'postgres'], `two replicas that send commands (SIGNALBOX_SEED=${seed})`, () => {
  let tapped: TappedFleet;
  let orders: Order[];
  /** What those who waited for a command were told in the end, by its id. */
  let told: Map<string, CommandBody>;
  let waiting: Promise<void>[];
  beforeEach(async () => {
    [orders, told, waiting] = [[], new Map(), []];
    tapped = await TappedFleet.start();
    await tapped.fleet.balanced(2);
    for (const clean of [true, false]) {
      for (const habit of HABITS) await tapped.device(`${clean ? 'clean' : 'stored'}-${habit}`, habit, clean);
    }
  }, 60_000);
  afterEach(() => tapped?.stop(), 60_000);

  /** Asks one replica for commands, and waits for each of them at the other. */
  async function load(place: number, count: number, random: Random): Promise<void> {
    const ids: [string, ...string[]] = ['clean-succeeds', ...tapped.devices.map(({ id }) => id)];
    await Promise.all(
      Array.from({ length: count }, async () => {
        const given = await order(tapped.urlOf(place), pick(random, ids), anyCommand(random));
        if (!given) return;
        orders.push(given);
        const following = follow(given.id, 1 - place);
        // Awaited in the end; until then it must not end the test on its own.
        following.catch(() => {});
        waiting.push(following);
      }),
    );
  }

  /** A caller who waits at one replica, and asks again where that dies. */
  async function follow(id: string, place: number): Promise<void> {
    await eventually(
      `${id} is told to be final`,
      async () => {
        const { status, body } = await get<CommandBody>(`${tapped.urlOf(place)}/v1/commands/${id}?wait=20`);
        expect([id, status]).toEqual([id, 200]);
        if (body.final) told.set(id, body);
        return body.final;
      },
      120_000,
    );
  }

  /** Kills the replica, starts it again, and so on. It has published a command each time, and never hears that the broker took it. */
  async function besiege(place: number, random: Random): Promise<void> {
    const tap = tapped.taps[place]!;
    for (let kills = 0; kills < KILLS_EACH; kills++) {
      let left = 1 + Math.floor(random() * 4);
      let shot = '';
      const end = tap.onPacket(({ packet }) => {
        const publish = commandIn(packet);
        if (!publish || shot !== '' || --left > 0) return;
        tap.muteBroker();
        tapped.fleet.replicas[place]!.child.kill('SIGKILL');
        shot = publish.topicId;
      });
      await eventually('it publishes a command', async () => {
        if (shot === '') await load(place, 4, random);
        return shot;
      });
      end();
      await tapped.kill(place);
      await tapped.fleet.restart(place);
    }
  }

  it(`and are killed between publish and record, ${2 * KILLS_EACH} times: no command is lost, each end is true, and whoever waits is told`, async () => {
    await Promise.all(tapped.taps.map((_, place) => besiege(place, seededRandom(seed, place))));
    await Promise.all(waiting);
    expect([...told.keys()].toSorted()).toEqual(orders.map(({ id }) => id).toSorted());
    const promised = new Map(orders.map((given) => [given.id, given]));
    const deeds = new Map(tapped.devices.flatMap((device) => [...device.deeds]));
    for (const id of new Set([...promised.keys(), ...tapped.witness.publishes.keys()])) {
      const { maxAttempts } = promised.get(id) ?? { maxAttempts: 10 };
      // What the broker acknowledged to a device reaches a replica once the seats of the dead have been taken over.
      await eventually(
        'the truth',
        async () => {
          const command = await untilFinal(tapped.urlOf(0), id);
          expectTruth(command, maxAttempts, tapped.witness.of(id), deeds.get(id));
          if (told.has(id)) expect(command.status).toBe(told.get(id)!.status);
          return true;
        },
        30_000,
      );
    }
    for (const deed of deeds.values()) expect(deed.executions).toBeLessThanOrEqual(1);
  }, 300_000);
});
