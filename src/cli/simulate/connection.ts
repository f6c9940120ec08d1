import { connect } from 'mqtt';
import type { IClientOptions, MqttClient } from 'mqtt';

/** How long a connection may take from the first packet to the granted subscriptions. */
const SETUP_TIMEOUT_MS = 15_000;
const GOODBYE_TIMEOUT_MS = 2_000;
/** CONNACK return codes (MQTT 3.1.1, table 3.1) that trying again does not change; 3, server unavailable, may pass. */
const REFUSALS: ReadonlySet<unknown> = new Set([1, 2, 4, 5]);

/** Where a device connects to and as whom. `status` is its retained presence: said when it is up, and its will. */
export interface ConnectionSpec {
  readonly url: string;
  readonly deviceId: string;
  readonly subscriptions: readonly string[];
  readonly status: { readonly topic: string; readonly online: string; readonly offline: string } | null;
}

/** Why a connection ended. `refused` where the service said no for good (CONNACK or SUBACK). */
export interface Ending {
  readonly reason: string;
  readonly refused: boolean;
}

export interface ConnectionEvents {
  /** Subscribed, and said to be online: publishing may begin. */
  readonly onUp: () => void;
  readonly onMessage: (topic: string, payload: Buffer) => void;
  /** Called exactly once; nothing else is called after it. */
  readonly onDown: (ending: Ending) => void;
}

/** One life of one MQTT 3.1.1 connection, from CONNECT to its end; it never reconnects by itself. */
export class DeviceConnection {
  private readonly client: MqttClient;
  private ending: Ending | null = null;
  private ended = false;
  private readonly setupTimer: NodeJS.Timeout;

  constructor(
    private readonly spec: ConnectionSpec,
    private readonly events: ConnectionEvents,
  ) {
    this.setupTimer = setTimeout(() => this.drop('no answer in time'), SETUP_TIMEOUT_MS);
    this.client = connect(spec.url, optionsOf(spec));
    this.client.on('connect', () => this.subscribe());
    this.client.on('message', (topic, payload) => {
      if (!this.ended) events.onMessage(topic, payload);
    });
    this.client.on('error', (error) => this.drop(reasonOf(error), REFUSALS.has(Reflect.get(error, 'code'))));
    this.client.on('close', () => this.end());
  }

  /** False once it is being dropped or closed; nothing is to be published then. */
  get open(): boolean {
    return this.ending === null;
  }

  /** Publishes; `done` is called once, without an error when the broker acknowledged it (QoS 0: when it is written). */
  publish(topic: string, payload: string, qos: 0 | 1 | 2, done: (error?: Error) => void): void {
    this.client.publish(topic, payload, { qos }, (error) => done(error ?? undefined));
  }

  /** Cuts the connection without a DISCONNECT, so that the will is published. */
  drop(reason: string, refused = false): void {
    this.ending ??= { reason, refused };
    this.client.end(true);
  }

  /** Says offline and goodbye (DISCONNECT). Resolves when the socket is gone, after 2 s at the latest. */
  async close(): Promise<void> {
    this.ending ??= { reason: 'closed', refused: false };
    if (this.client.connected && !this.ended) await this.sayGoodbye();
    this.client.end(true);
    this.end();
  }

  private async sayGoodbye(): Promise<void> {
    const { status } = this.spec;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, GOODBYE_TIMEOUT_MS);
      this.client.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      // A DISCONNECT discards the will [MQTT-3.14.4-3], so the device says offline itself.
      if (status) this.client.publish(status.topic, status.offline, { qos: 1, retain: true }, () => this.client.end());
      else this.client.end();
    });
  }

  private subscribe(): void {
    const { subscriptions, status } = this.spec;
    this.client.subscribe([...subscriptions], { qos: 1 }, (error, granted) => {
      if (this.ended) return;
      const refused = granted?.find(({ qos }) => qos > 2);
      if (error || refused) {
        return this.drop(refused ? `the subscription to ${refused.topic} was refused` : reasonOf(error), !!refused);
      }
      clearTimeout(this.setupTimer);
      // Not awaited: a service that holds acknowledgements back until it has stored them may take its time.
      if (status) this.client.publish(status.topic, status.online, { qos: 1, retain: true });
      this.events.onUp();
    });
  }

  private end(): void {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.setupTimer);
    this.events.onDown(this.ending ?? { reason: 'the service closed the connection', refused: false });
  }
}

function optionsOf({ deviceId, status }: ConnectionSpec): IClientOptions {
  const will = status && { topic: status.topic, payload: Buffer.from(status.offline), qos: 1 as const, retain: true };
  return {
    clientId: deviceId,
    protocolVersion: 4,
    clean: true,
    keepalive: 30,
    reconnectPeriod: 0,
    connectTimeout: SETUP_TIMEOUT_MS,
    queueQoSZero: false,
    resubscribe: false,
    ...(will ? { will } : {}),
  };
}

/** The errors of a failed attempt on several addresses hide in an AggregateError, whose own message is empty. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  return error instanceof Error && error.message !== '' ? error.message : 'the connection failed';
}
