import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import { Backoff } from './backoff.js';
import type { Journal } from './journal.js';
import type { ProtocolChoice, ProtocolVersion } from './protocol-choice.js';
import { EndedByBroker, failureOf, troubleOf } from './trouble.js';

/** After this time a connection counts as stable. */
const STABLE_MS = 60_000;
/**
 * Most milliseconds between two attempts while the broker is away. Short, because what is published between its return and
 * ours may reach nobody: Mosquitto restores our sessions without their shared subscriptions.
 */
const LONGEST_AWAY_MS = 1_000;
/** How long a graceful end may take before the socket is cut. */
const FAREWELL_MS = 1_000;

/** What all connections of a link share. */
export interface Line {
  /** Options for one network connection, made anew for each because mqtt.js writes into them. */
  readonly options: () => IClientOptions;
  readonly protocol: ProtocolChoice;
  readonly journal: Journal;
}

/** Whose connection it is. */
export interface ConnectionOwner {
  /** For the log, such as `seat 1`. */
  readonly name: string;
  readonly settings: (version: ProtocolVersion) => IClientOptions;
  /** A new client, before anything was read. */
  readonly made: (client: MqttClient) => void;
  /** The broker accepted it. Once this resolves the connection is ready; where it rejects, it is dropped. */
  readonly connected: (client: MqttClient, version: ProtocolVersion) => Promise<void>;
  /** That client is gone. */
  readonly gone: () => void;
  /** Before another attempt; may end in {@link LastingConnection.close}. */
  readonly beforeRedial: () => Promise<void>;
}

/**
 * Keeps one connection to the broker: dials again after every kind of end, with backoff, until it is closed. Each attempt is
 * a new client of mqtt.js over one socket, so that nothing of one connection can reach the next.
 */
export class LastingConnection {
  private client: MqttClient | null = null;
  private wanted = false;
  private ready = false;
  private generation = 0;
  private timer: NodeJS.Timeout | undefined;
  private readonly backoff = new Backoff();

  constructor(
    private readonly line: Line,
    private readonly owner: ConnectionOwner,
  ) {}

  get isReady(): boolean {
    return this.ready;
  }

  /** Opens it, unless it is open. */
  open(): void {
    if (this.wanted) return;
    this.wanted = true;
    this.generation++;
    this.dial();
  }

  /** Cuts the connection without a farewell, and dials again later. */
  drop(cause: Error): void {
    const { client } = this;
    if (!client) return;
    this.forget(client);
    client.end(true);
    this.dialLater(cause, false);
  }

  /** Cuts it at once and for good. */
  cut(): void {
    const client = this.abandon();
    client?.end(true);
  }

  /** Takes leave of the broker with a DISCONNECT and closes for good. Resolves when the socket is gone, after 1 s at most. */
  async close(reasonCode = 0): Promise<void> {
    const client = this.abandon();
    if (!client) return;
    const gone = new Promise<void>((resolve) => client.once('close', () => resolve()));
    if (!client.connected) {
      client.end(true);
      return;
    }
    client.end(false, reasonCode === 0 ? {} : { reasonCode });
    const timer = setTimeout(() => client.stream.destroy(), FAREWELL_MS);
    await gone;
    clearTimeout(timer);
  }

  private abandon(): MqttClient | null {
    const { client } = this;
    this.wanted = false;
    this.generation++;
    clearTimeout(this.timer);
    if (client) this.forget(client);
    this.line.journal.unwanted(this.owner.name);
    return client;
  }

  private dial(): void {
    const { version } = this.line.protocol;
    let client: MqttClient;
    try {
      client = connect({ ...this.line.options(), ...this.owner.settings(version), protocolVersion: version });
    } catch (error) {
      return this.dialLater(error, false);
    }
    this.client = client;
    let cause: unknown = null;
    let answered = false;
    client.on('error', (error) => {
      cause ??= error;
      client.end(true);
    });
    client.on('disconnect', ({ reasonCode = 0 }) => (cause ??= new EndedByBroker(reasonCode)));
    client.once('connect', () => {
      answered = true;
      this.line.protocol.worked(version);
      void this.makeReady(client, version);
    });
    client.once('close', () => {
      if (this.client !== client) return;
      this.forget(client);
      this.dialLater(cause, !answered && this.line.protocol.failed(version, failureOf(cause)));
    });
    // Small packets such as acknowledgements must not wait for one another's TCP acknowledgement.
    const socket = client.stream as { setNoDelay?: (on: boolean) => void };
    socket.setNoDelay?.(true);
    this.owner.made(client);
  }

  private async makeReady(client: MqttClient, version: ProtocolVersion): Promise<void> {
    try {
      await this.owner.connected(client, version);
    } catch (error) {
      if (this.client === client) this.drop(error as Error);
      return;
    }
    if (this.client !== client) return;
    this.ready = true;
    this.backoff.connected();
    this.timer = setTimeout(() => this.backoff.stable(), STABLE_MS).unref();
    this.line.journal.well(this.owner.name);
  }

  private forget(client: MqttClient): void {
    if (this.client !== client) return;
    this.client = null;
    this.ready = false;
    clearTimeout(this.timer);
    this.owner.gone();
  }

  private dialLater(cause: unknown, atOnce: boolean): void {
    if (!this.wanted) return;
    const trouble = troubleOf(cause);
    const delay = atOnce ? 0 : this.backoff.next(trouble.isAway ? LONGEST_AWAY_MS : undefined);
    const { generation } = this;
    this.timer = setTimeout(() => void this.redial(generation), delay);
    if (!atOnce) this.line.journal.trouble(this.owner.name, trouble);
  }

  private async redial(generation: number): Promise<void> {
    await this.owner.beforeRedial();
    if (this.generation !== generation) return;
    this.line.journal.reconnects++;
    this.dial();
  }
}
