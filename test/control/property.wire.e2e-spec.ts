import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Seen, startWire, type Wire } from '../mqtt/support/wire.js';
import { judge, judgeQueue } from './support/judge.js';
import { RawDevice } from './support/raw-device.js';
import { type CommandBody, Rig } from './support/rig.js';
import { WireFacts } from './support/wire-facts.js';

const ANSWERS = ['accepted', 'progress', 'succeeded', 'failed', 'rejected', 'cancelled'] as const;
/** `of`: which of the commands that there are by then. */
const arbitraryStep = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 400 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('create' as const),
      mode: fc.constantFrom('result' as const, 'result' as const, 'ack' as const, 'none' as const),
      order: fc.constantFrom('parallel' as const, 'fifo' as const),
      coalesceKey: fc.constantFrom(null, null, 'k'),
      maxAttempts: fc.integer({ min: 1, max: 3 }),
      ttlMs: fc.constantFrom(1_000, 2_000),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('connect' as const), acknowledges: fc.boolean(), listens: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'listen' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'disconnect' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'get' as const }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('answer' as const),
      of: fc.nat(5),
      said: fc.array(fc.constantFrom(...ANSWERS), { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('lie' as const), of: fc.nat(5), status: fc.constantFrom(...ANSWERS) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('babble' as const), of: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), of: fc.nat(5) }) },
);
type Step = typeof arbitraryStep extends fc.Arbitrary<infer T> ? T : never;

const arbitraryStory = fc
  .array(arbitraryStep, { minLength: 6, maxLength: 16 })
  .map((steps): readonly Step[] => [{ do: 'connect', acknowledges: true, listens: true }, ...steps]);

/** Signalbox behind a recording proxy, which goes on with its data after a restart. */
class World {
  rig!: Rig;
  wire!: Wire;
  private readonly past: Seen[] = [];
  isRestarting = false;
  restarts = 0;
  private results = 0;
  private stories = 0;

  constructor(private readonly directory: string) {}

  async start(): Promise<void> {
    this.rig = await Rig.start({}, this.directory);
    this.wire = await startWire(this.rig.signalbox.mqttPort);
  }

  async stop(): Promise<void> {
    await this.rig.close();
    await this.wire.stop();
    this.past.push(...this.present());
  }

  /** All that went through the proxy so far. */
  get seen(): readonly Seen[] {
    return [...this.past, ...this.present()];
  }

  private present(): Seen[] {
    const before = this.past.at(-1)?.connection ?? 0;
    return this.wire.seen.map((one) => ({ ...one, connection: one.connection + before + 1_000 }));
  }

  async restart(): Promise<void> {
    this.isRestarting = true;
    await this.stop();
    await this.start();
    this.isRestarting = false;
    this.restarts++;
  }

  /** No two results are alike, so that it is known which answer it was. */
  nextResult(): number {
    return ++this.results;
  }

  nextName(): string {
    return `story-${++this.stories}`;
  }
}

/** One device, whatever it and others do to its commands. */
class Story {
  readonly ids: string[] = [];
  readonly cancelled = new Set<string>();
  readonly queued = new Set<string>();
  readonly deviceId: string;
  private device: RawDevice | null = null;
  private stranger: RawDevice | null = null;

  constructor(private readonly world: World) {
    this.deviceId = world.nextName();
  }

  async play(steps: readonly Step[]): Promise<void> {
    for (const step of steps) await this.unlessCut(() => this.act(step));
    while (this.ids.length === 0) await this.unlessCut(() => this.create({}));
  }

  end(): void {
    this.device?.end();
    this.stranger?.end();
  }

  /** What a restart cut off says nothing. */
  private async unlessCut(act: () => Promise<unknown>): Promise<void> {
    const { restarts } = this.world;
    try {
      await act();
    } catch (error) {
      if (!this.world.isRestarting && this.world.restarts === restarts) throw error;
      this.device = null;
      this.stranger = null;
      while (this.world.isRestarting) await pause(20);
    }
  }

  private async act(step: Step): Promise<void> {
    const device = this.device?.client.ended ? null : this.device;
    switch (step.do) {
      case 'wait':
        return pause(step.ms);
      case 'create': {
        const { do: _, ...more } = step;
        return this.create(more);
      }
      case 'connect':
        device?.end();
        this.device = await this.connect(this.deviceId, step);
        return;
      case 'listen':
        return device?.listen();
      case 'disconnect':
        device?.end();
        this.device = null;
        return;
      case 'get':
        return device?.say('commands/get', {});
      case 'cancel':
        return this.cancel(this.pick(step.of));
      case 'babble':
        return device?.sayAtOnce(
          [`commands/${this.pick(step.of)}`, '{"status": '],
          ['commands/019aa7c0-7d7e-7cc2-9f52-1f4ad2f3a9c1', { status: 'succeeded' }],
          [`commands/${this.pick(step.of)}`, { status: 'SUCCEEDED' }],
        );
      case 'lie':
        if (!this.stranger || this.stranger.client.ended) {
          this.stranger = await this.connect(`${this.deviceId}-stranger`, { acknowledges: true, listens: false });
        }
        return this.stranger.say(`commands/${this.pick(step.of)}`, { status: step.status });
      default: {
        const id = this.pick(step.of);
        const content = (status: string) => ({ status, progress: 50, result: this.world.nextResult() });
        return device?.sayAtOnce(...step.said.map((status) => [`commands/${id}`, content(status)] as const));
      }
    }
  }

  private async create(more: Parameters<Rig['create']>[1]): Promise<void> {
    const id = await this.world.rig.create(this.deviceId, { ttlMs: 1_000, resultTimeoutMs: 1_000, ...more });
    this.ids.push(id);
    if (more?.order === 'fifo') this.queued.add(id);
  }

  private async cancel(id: string): Promise<void> {
    if (!this.ids.includes(id)) return;
    this.cancelled.add(id);
    const { status, body, text } = await this.world.rig.cancel(id);
    if (status >= 400 && body.code !== 'COMMAND_FINAL') throw new Error(text);
  }

  private connect(id: string, options: { readonly acknowledges: boolean; readonly listens: boolean }) {
    const { mqttUrl: brokerUrl } = this.world.rig.signalbox;
    return RawDevice.connect({ brokerUrl, port: this.world.wire.port }, id, options);
  }

  private pick(of: number): string {
    return this.ids[of % this.ids.length] ?? 'none-yet';
  }
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

describe('Whatever a device, its users, time and restarts do to commands', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'signalbox-property-'));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('each ends once, in a state that the wire bears out', async () => {
    const world = new World(directory);
    await world.start();
    const round = fc.record({
      stories: fc.array(arbitraryStory, { minLength: 12, maxLength: 12 }),
      restartAfterMs: fc.option(fc.integer({ min: 100, max: 1_500 })),
    });
    // Of a round that ran out of time.
    const playing: Promise<void>[] = [];
    try {
      await fc.assert(
        fc.asyncProperty(round, async ({ stories, restartAfterMs }) => {
          const played = stories.map((steps) => ({ steps, story: new Story(world) }));
          const plays = played.map(({ steps, story }) => story.play(steps));
          playing.push(...plays);
          const restart = restartAfterMs === null ? null : pause(restartAfterMs).then(() => world.restart());
          if (restart) playing.push(restart);
          await Promise.all([...plays, restart]);
          for (const { story, steps } of played) {
            const commands: CommandBody[] = [];
            for (const id of story.ids) commands.push(await world.rig.final(id, 15_000));
            const wire = new WireFacts(world.seen, story.deviceId);
            try {
              for (const command of commands) {
                judge(command, wire, story.cancelled.has(command.id));
                expect(await world.rig.read(command.id)).toEqual(command);
              }
              judgeQueue(
                commands.filter(({ id }) => story.queued.has(id)),
                wire,
              );
            } catch (error) {
              const log = JSON.stringify({ steps, commands, wire: wire.log }, null, 1);
              throw new Error(`${String(error)}\n${log}`, { cause: error });
            }
            story.end();
          }
        }),
        { numRuns: 8, interruptAfterTimeLimit: 40_000, endOnFailure: true },
      );
    } finally {
      await Promise.allSettled(playing);
      await world.stop();
    }
  }, 120_000);
});
