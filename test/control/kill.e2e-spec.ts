import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { pick, type Random, seededRandom } from '../../src/cli/simulate/random.js';
import { eventually } from '../support/eventually.js';
import { get } from '../support/http.js';
import { type Service, startService, temporaryDirectory } from '../support/process.js';
import { commandIn, MqttTap, type SeenPublish } from './support/mqtt-tap.js';
import { type Habit, ObedientDevice } from './support/obedient-device.js';
import { anyCommand, order, type Order } from './support/orders.js';
import { type CommandBody, expectTruth, untilFinal, Witness } from './support/truth.js';

/** Kills that have fallen between a publish and the record of it, on both sites together. */
const KILLS = 50;
const COMMANDS_A_ROUND = 8;
const HABITS: readonly Habit[] = ['succeeds', 'fails', 'starts', 'hesitates', 'silent'];

/** SIGNALBOX_SEED repeats a run that failed. */
const seed = Number(process.env['SIGNALBOX_SEED'] ?? Date.now() % 1_000_000);

/** One directory in which Signalbox is killed and started again, and its devices, which find it behind the tap each time. */
class Site {
  readonly orders: Order[] = [];
  readonly devices: readonly ObedientDevice[];
  readonly absent: string;
  readonly witness: Witness;
  private readonly directory = temporaryDirectory();
  private service: Service | null = null;

  constructor(
    private readonly tap: MqttTap,
    name: string,
    clean: boolean,
  ) {
    this.witness = new Witness(tap);
    this.devices = HABITS.map((habit) => new ObedientDevice(tap.url, `${name}-${habit}`, habit, clean));
    this.absent = `${name}-absent`;
  }

  get httpUrl(): string {
    return this.service!.httpUrl;
  }

  async start(): Promise<void> {
    this.service = await startService(this.directory.path);
    this.tap.target = this.service.mqttPort;
  }

  /** Asks for commands to all devices at once, which are kept where they were promised. */
  async load(random: Random): Promise<void> {
    const ids: [string, ...string[]] = [this.absent, ...this.devices.map(({ id }) => id)];
    await Promise.all(
      Array.from({ length: COMMANDS_A_ROUND }, async () => {
        const given = await order(this.httpUrl, pick(random, ids), anyCommand(random));
        if (given) this.orders.push(given);
      }),
    );
  }

  /** SIGKILL in the very turn in which `isMoment` says so of a packet, or after 3 s; resolves with the publish that it was. */
  async killAt(isMoment: (publish: SeenPublish | null) => boolean): Promise<SeenPublish | null> {
    const { child } = this.service!;
    let shot: { readonly at: SeenPublish | null } | null = null;
    const end = this.tap.onPacket(({ packet }) => {
      const publish = commandIn(packet);
      if (shot || !isMoment(publish)) return;
      child.kill('SIGKILL');
      shot = { at: publish };
    });
    await eventually('the moment has come', () => shot, 3_000).catch(() => null);
    end();
    await this.kill();
    return (shot as { readonly at: SeenPublish | null } | null)?.at ?? null;
  }

  async kill(): Promise<void> {
    this.tap.target = null;
    await this.service!.stop('SIGKILL');
  }

  async end(): Promise<void> {
    await Promise.all(this.devices.map((device) => device.end()));
    await this.service?.stop('SIGKILL');
    await this.tap.stop();
    this.directory.remove();
  }
}

describe(`kill -9 between the publish of a command and the record of it (SIGNALBOX_SEED=${seed})`, () => {
  let sites: readonly Site[];
  beforeEach(async () => {
    sites = [new Site(await MqttTap.start(), 'clean', true), new Site(await MqttTap.start(), 'stored', false)];
  });
  afterEach(() => Promise.all(sites.map((site) => site.end())));

  it(`${KILLS} times: no command is lost, none is sent more often than it may be, and every end is true`, async () => {
    await Promise.all(sites.map((site, n) => besiege(site, seededRandom(seed, n))));
    await Promise.all(sites.map(expectAllTrue));
  }, 240_000);
});

/** Nine kills of ten come at a first publish, the others at any packet; those that came before the record of it count. */
async function besiege(site: Site, random: Random): Promise<void> {
  await site.start();
  for (let [hits, kills] = [0, 0]; hits < KILLS / 2; kills++) {
    expect(kills).toBeLessThan(KILLS);
    const atPublish = random() < 0.9;
    let left = 1 + Math.floor(random() * (atPublish ? 4 : 40));
    const killing = site.killAt((publish) => {
      if (!atPublish || publish?.attempt === 1) left--;
      return left === 0;
    });
    await site.load(random);
    const killedAt = await killing;
    await site.start();
    if (killedAt && (await isUnrecorded(site, killedAt))) hits++;
  }
}

/** True where the publish went out as the first attempt, and nothing that was seen of it had been committed. */
async function isUnrecorded({ httpUrl }: Site, { topicId, attempt }: SeenPublish): Promise<boolean> {
  const { status, body } = await get<CommandBody>(`${httpUrl}/v1/commands/${topicId}`);
  // It went out, so it must be there, whether its create was answered or not.
  expect([topicId, status]).toEqual([topicId, 200]);
  expect(body.attempts).toBeGreaterThanOrEqual(attempt);
  return attempt === 1 && !body.history.some((change) => change.attempt === 1);
}

async function expectAllTrue(site: Site): Promise<void> {
  const promised = new Map(site.orders.map((given) => [given.id, given]));
  // A command whose create was not answered may exist; where it went out, it must.
  const ids = new Set([...promised.keys(), ...site.witness.publishes.keys()]);
  expect(ids.size).toBeGreaterThan(KILLS);
  const read = () => Promise.all([...ids].map((id) => untilFinal(site.httpUrl, id)));
  await read();
  const deeds = new Map(site.devices.flatMap((device) => [...device.deeds]));
  // A device goes on where its acceptance was the end: what counts is what had been acknowledged before the command is read.
  const acknowledged = new Map([...deeds].map(([id, deed]) => [id, new Set(deed.acknowledged)]));
  const commands = await read();
  for (const command of commands) {
    const { maxAttempts } = promised.get(command.id) ?? { maxAttempts: 10 };
    const deed = deeds.get(command.id);
    const known = deed && { ...deed, acknowledged: acknowledged.get(command.id)! };
    expectTruth(command, maxAttempts, site.witness.of(command.id), known);
  }
  for (const deed of deeds.values()) expect(deed.executions).toBeLessThanOrEqual(1);
  const toAbsent = commands.filter(({ deviceId }) => deviceId === site.absent);
  expect(toAbsent.length).toBeGreaterThan(0);
  for (const { status, outcome, attempts } of toAbsent) {
    expect([status, outcome, attempts]).toEqual(['EXPIRED', 'not_executed', 0]);
  }
}
