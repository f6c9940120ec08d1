import { connect, type MqttClient } from 'mqtt';
import { eventually } from '../../support/eventually.js';
import type { WirePayload } from './mqtt-tap.js';

/**
 * What a device does with a command. `succeeds`, `fails`: says `accepted`, then that. `starts`: says no more than `accepted`.
 * `hesitates`: is silent until it gets the command a second time, then succeeds. `silent`: never says anything.
 */
export type Habit = 'succeeds' | 'fails' | 'starts' | 'hesitates' | 'silent';

export type Said = 'accepted' | 'succeeded' | 'failed';

const SAYS: Readonly<Record<Habit, readonly Said[]>> = {
  succeeds: ['accepted', 'succeeded'],
  fails: ['accepted', 'failed'],
  starts: ['accepted'],
  hesitates: ['accepted', 'succeeded'],
  silent: [],
};

/** What a device had to do with a command. */
export interface Deed {
  /** The attempts of the publishes that it got, in order. */
  readonly attempts: number[];
  /** How often it did the work: once at most, since it remembers what it has done. */
  executions: number;
  readonly said: Set<Said>;
  /** What it said and the broker acknowledged. */
  readonly acknowledged: Set<Said>;
}

/**
 * A device as the rules for devices ask for it: a real client that connects again by itself, subscribes before it says that it
 * is online, does a command once, and says the same again when the command comes again. QoS 1.
 */
export class ObedientDevice {
  readonly deeds = new Map<string, Deed>();
  private readonly client: MqttClient;

  constructor(
    url: string,
    readonly id: string,
    readonly habit: Habit,
    clean: boolean,
  ) {
    this.client = connect(url, {
      clientId: id,
      clean,
      protocolVersion: 4,
      reconnectPeriod: 100,
      connectTimeout: 3_000,
      // Below, at each connect: a broker that forgot the session has forgotten the subscription too.
      resubscribe: false,
      will: { topic: `devices/${id}/up/status`, payload: Buffer.from('{"online": false}'), qos: 1, retain: true },
    });
    this.client.on('error', () => {});
    this.client.on('connect', () => this.greet());
    this.client.on('message', (topic, payload) => this.obey(topic, payload));
  }

  /** Resolves once its subscription was granted. */
  async ready(): Promise<void> {
    await eventually(`${this.id} has subscribed`, () => this.greetings > 0);
  }

  private greetings = 0;

  async end(): Promise<void> {
    await this.client.endAsync(true);
  }

  private greet(): void {
    this.client.subscribe(`devices/${this.id}/down/commands/+`, { qos: 1 }, (error) => {
      if (error) return;
      this.greetings++;
      this.client.publish(`devices/${this.id}/up/status`, '{"online": true}', { qos: 1, retain: true }, () => {});
    });
  }

  private obey(topic: string, payload: Buffer): void {
    const { id, attempt } = JSON.parse(payload.toString()) as WirePayload;
    const deed = this.deeds.get(id) ?? { attempts: [], executions: 0, said: new Set(), acknowledged: new Set() };
    this.deeds.set(id, deed);
    deed.attempts.push(attempt);
    if (this.habit === 'silent' || (this.habit === 'hesitates' && deed.attempts.length < 2)) return;
    if (deed.said.size === 0) deed.executions++;
    for (const status of SAYS[this.habit]) this.say(topic.replace('/down/', '/up/'), status, deed);
  }

  private say(topic: string, status: Said, { said, acknowledged }: Deed): void {
    said.add(status);
    const answer = JSON.stringify(status === 'failed' ? { status, code: 'STUCK' } : { status });
    this.client.publish(topic, answer, { qos: 1 }, (error) => {
      if (!error) acknowledged.add(status);
    });
  }
}
