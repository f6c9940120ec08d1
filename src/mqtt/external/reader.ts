import type { IClientOptions, ISubscriptionMap, MqttClient } from 'mqtt';
import type { Delivery } from '../link.js';
import { Backoff } from './backoff.js';
import { Intake, MAX_IN_FLIGHT, type Verdict } from './intake.js';
import { LastingConnection, type Line } from './lasting.connection.js';
import type { ProtocolVersion } from './protocol-choice.js';
import type { ReadingBudget } from './reading-budget.js';
import { NotCommitted, SubscriptionRefused, troubleOf } from './trouble.js';

/** How long a broker keeps the session of a reader that is away, in seconds (MQTT 5; a 3.1.1 broker has its own setting). */
const SESSION_EXPIRY_S = 7 * 24 * 3_600;
/** How long a broker may take to answer SUBSCRIBE and UNSUBSCRIBE. */
const ANSWER_MS = 10_000;
/** How long handlers may take for what is in flight when a reader is to leave. */
const DRAIN_MS = 6_000;

export interface ReaderSpec {
  /** For the log, such as `seat 1`. */
  readonly name: string;
  readonly clientId: string;
  readonly filters: readonly string[];
  /** Covered by `filters`: an older session that still has one of them would get messages twice. */
  readonly covered: readonly string[];
  /** Shared subscriptions: the broker never replays retained messages to them. */
  readonly shared: boolean;
  readonly judge: (topic: string) => Verdict;
  readonly settings?: (version: ProtocolVersion) => Pick<IClientOptions, 'will'>;
  readonly onReady?: (client: MqttClient) => void;
  readonly beforeRedial: () => Promise<void>;
  /** A message came although `judge` forbids: the connection is to be cut. */
  readonly onStop: () => void;
}

export interface ReaderParts {
  readonly line: Line;
  readonly budget: ReadingBudget;
  readonly deliver: (delivery: Delivery) => void;
}

/**
 * Reads with a durable session: subscribes on every connect, session present or not (Mosquitto restores one after its own
 * restart without its shared subscriptions), and is ready once all is granted with QoS 1.
 */
export class Reader {
  private readonly connection: LastingConnection;
  private intake: Intake | null = null;

  constructor(
    private readonly parts: ReaderParts,
    private readonly spec: ReaderSpec,
  ) {
    this.connection = new LastingConnection(parts.line, {
      name: spec.name,
      settings: (version) => this.settings(version),
      made: (client) => this.made(client),
      connected: (client, version) => this.connected(client, version),
      gone: () => this.gone(),
      beforeRedial: spec.beforeRedial,
    });
  }

  get isReady(): boolean {
    return this.connection.isReady;
  }

  open(): void {
    this.connection.open();
  }

  /** At once: nothing that is in flight is acknowledged any more. */
  cut(): void {
    this.connection.cut();
  }

  /** Reads no more, lets handlers finish what is in flight for up to 6 s, acknowledges it, and takes leave of the broker. */
  async leave(reasonCode?: number): Promise<void> {
    if (this.intake) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, DRAIN_MS)));
      await Promise.race([this.intake.drain(), late]);
      clearTimeout(timer);
    }
    await this.connection.close(reasonCode);
  }

  private settings(version: ProtocolVersion): IClientOptions {
    return {
      clientId: this.spec.clientId,
      clean: false,
      ...(version === 5
        ? { properties: { sessionExpiryInterval: SESSION_EXPIRY_S, receiveMaximum: MAX_IN_FLIGHT } }
        : {}),
      ...this.spec.settings?.(version),
    };
  }

  private made(client: MqttClient): void {
    const { line, budget, deliver } = this.parts;
    const { shared, judge, onStop } = this.spec;
    this.intake = new Intake({
      client,
      journal: line.journal,
      budget,
      judge,
      retainAsPublished: shared && client.options.protocolVersion === 5,
      deliver,
      onFailed: (error) => this.connection.drop(new NotCommitted(error)),
      onStop,
    });
    client.handleMessage = this.intake.take;
  }

  /** What the broker refuses is asked for again, with backoff, on the same connection: what it granted is read meanwhile. */
  private async connected(client: MqttClient, version: ProtocolVersion): Promise<void> {
    await this.answered('UNSUBSCRIBE', unsubscribe(client, this.spec.covered));
    const backoff = new Backoff();
    let missing = this.spec.filters;
    while (missing.length > 0) {
      const granted = await this.answered('SUBSCRIBE', subscribe(client, this.subscriptions(missing, version)));
      missing = missing.filter((_, i) => granted[i] === undefined || granted[i] === 0 || granted[i] >= 0x80);
      if (missing.length === 0) break;
      this.parts.line.journal.trouble(this.spec.name, troubleOf(new SubscriptionRefused(missing)));
      await pause(backoff.next());
      if (!client.connected) throw new Error('the connection ended');
    }
    this.spec.onReady?.(client);
  }

  /** mqtt.js waits for these answers as long as the connection lasts. */
  private async answered<T>(packet: string, answer: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const look = (): void => {
        // Then the answer may be there already, behind messages that wait for their turn.
        if (this.intake?.isHeld) timer = setTimeout(look, ANSWER_MS).unref();
        else reject(new Error(`the broker did not answer ${packet} within ${ANSWER_MS / 1_000} s`));
      };
      timer = setTimeout(look, ANSWER_MS).unref();
    });
    return Promise.race([answer, late]).finally(() => clearTimeout(timer));
  }

  private subscriptions(filters: readonly string[], version: ProtocolVersion): ISubscriptionMap {
    // Mosquitto replays retained messages to shared subscriptions too, against MQTT 5 (4.8.2), unless told not to.
    const shared = { qos: 1, rap: true, rh: 2 } as const;
    const options = version === 5 && this.spec.shared ? shared : ({ qos: 1 } as const);
    const map: ISubscriptionMap = {};
    for (const filter of filters) map[filter] = options;
    // Not even a filter that this client believes it has is skipped.
    return Object.assign(map, { resubscribe: true });
  }

  private gone(): void {
    this.intake?.end();
    this.intake = null;
  }
}

/** The reason codes of the SUBACK, in the order of the filters [MQTT-3.9.3-1]. Rejects where the connection ends before. */
async function subscribe(client: MqttClient, map: ISubscriptionMap): Promise<readonly number[]> {
  return new Promise((resolve, reject) => {
    client.subscribe(map, (error, _granted, suback) => {
      if (suback) resolve(suback.granted as number[]);
      else reject(error ?? new Error('no answer to SUBSCRIBE'));
    });
  });
}

/** The broker answers for filters that the session has not, too. */
async function unsubscribe(client: MqttClient, filters: readonly string[]): Promise<void> {
  if (filters.length > 0) await client.unsubscribeAsync([...filters]);
}

async function pause(ms: number): Promise<void> {
  await new Promise<void>((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
