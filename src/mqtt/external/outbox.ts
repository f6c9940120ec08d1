import type { MqttClient } from 'mqtt';
import type { DomainError } from '../../common/errors.js';
import { topicProblem } from '../../common/topic.js';
import type { OutboundMessage } from '../message.js';
import { MqttErrors } from '../mqtt.errors.js';
import { LastingConnection, type Line } from './lasting.connection.js';
import { propertyBytes, wireProperties, type WireProperties } from './publish-properties.js';

const TIMEOUT_MS = 10_000;
const MAX_PAYLOAD = 256 * 1_024;
/** Publishes without an answer, unless the broker allows fewer (MQTT 5, Receive Maximum). */
const MAX_IN_FLIGHT = 1_000;
/** Publishes that are accepted by us and not answered yet, and their bytes. */
const MAX_WAITING = 10_000;
const MAX_WAITING_BYTES = 16 * 1_048_576;

/** A publish on its way. */
interface Parcel {
  readonly message: OutboundMessage;
  readonly bytes: Buffer;
  /** Null where there are none, or the broker speaks 3.1.1. */
  readonly properties: WireProperties | null;
  readonly settle: (error: DomainError | null) => void;
}

/** Publishes over a connection of its own. Nothing is kept for later while the broker is away. */
export class Outbox {
  private readonly connection: LastingConnection;
  private client: MqttClient | null = null;
  private window = MAX_IN_FLIGHT;
  private inFlight = 0;
  private waitingBytes = 0;
  private readonly parcels = new Set<Parcel>();
  private readonly queue: Parcel[] = [];

  constructor(line: Line, clientId: string) {
    this.connection = new LastingConnection(line, {
      name: 'publisher',
      settings: () => ({ clientId, clean: true }),
      made: () => {},
      connected: (client) => this.connected(client),
      gone: () => this.gone(),
      beforeRedial: () => Promise.resolve(),
    });
  }

  get isReady(): boolean {
    return this.connection.isReady;
  }

  open(): void {
    this.connection.open();
  }

  async close(): Promise<void> {
    await this.connection.close();
  }

  /**
   * Resolves when the broker has answered (QoS 1: PUBACK, QoS 2: PUBCOMP, QoS 0: when it is written). Throws PUBLISH_REFUSED,
   * PAYLOAD_TOO_LARGE, BROKER_UNAVAILABLE (the broker is away, goes away before it answers, or is too slow for what is to be
   * published), BROKER_TIMEOUT after 10 s.
   */
  async publish(message: OutboundMessage): Promise<void> {
    const problem = topicProblem(message.topic);
    if (problem) throw MqttErrors.PUBLISH_REFUSED(`Nothing can be published to this topic: ${problem}.`);
    const { payload } = message;
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    const speaks5 = this.client?.options.protocolVersion === 5;
    const properties = speaks5 && message.properties ? wireProperties(message.properties) : null;
    const extra = properties ? propertyBytes(properties) : 0;
    const largest = this.largest(message.topic, extra);
    if (bytes.length > largest) throw MqttErrors.PAYLOAD_TOO_LARGE(`A payload has at most ${largest} bytes.`);
    if (!this.client) throw unavailable('The MQTT broker is away.');
    const size = bytes.length + extra;
    if (this.parcels.size >= MAX_WAITING || this.waitingBytes + size > MAX_WAITING_BYTES) {
      throw unavailable('The MQTT broker is too slow for what is to be published.');
    }
    await this.send({ message, bytes, properties }, size);
  }

  private async send(content: Omit<Parcel, 'settle'>, size: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        parcel.settle(MqttErrors.BROKER_TIMEOUT('The MQTT broker did not answer within 10 s.'));
        // Its packet id is in use until it is answered, and what waits behind it would time out too.
        this.connection.drop(new Error('the broker did not answer a publish within 10 s'));
      }, TIMEOUT_MS);
      const parcel: Parcel = {
        ...content,
        settle: (error) => {
          if (!this.parcels.delete(parcel)) return;
          clearTimeout(timer);
          this.waitingBytes -= size;
          if (error) reject(error);
          else resolve();
        },
      };
      this.parcels.add(parcel);
      this.waitingBytes += size;
      this.queue.push(parcel);
      this.goOn();
    });
  }

  /** Sends what the window has room for. */
  private goOn(): void {
    while (this.client && this.inFlight < this.window && this.queue.length > 0) {
      this.write(this.client, this.queue.shift()!);
    }
  }

  private write(client: MqttClient, { message, bytes, properties, settle }: Parcel): void {
    const { topic, qos, retain = false } = message;
    const { maximumQoS = 2 } = client.serverProperties ?? {};
    this.inFlight++;
    const options = { qos: Math.min(qos, maximumQoS) as 0 | 1 | 2, retain, ...(properties ? { properties } : {}) };
    client.publish(topic, bytes, options, (error) => {
      if (this.client !== client) return;
      this.inFlight--;
      settle(error ? refusal(error) : null);
      this.goOn();
    });
  }

  private largest(topic: string, extra: number): number {
    const { maximumPacketSize } = this.client?.serverProperties ?? {};
    if (maximumPacketSize === undefined) return MAX_PAYLOAD;
    // Fixed header, the lengths of all and of the topic, packet id, and one byte that says that no property follows.
    return Math.max(0, Math.min(MAX_PAYLOAD, maximumPacketSize - Buffer.byteLength(topic) - 10 - extra));
  }

  private connected(client: MqttClient): Promise<void> {
    this.window = Math.min(MAX_IN_FLIGHT, client.serverProperties?.receiveMaximum ?? MAX_IN_FLIGHT);
    this.inFlight = 0;
    this.client = client;
    return Promise.resolve();
  }

  private gone(): void {
    this.client = null;
    this.queue.length = 0;
    const error = unavailable('The MQTT broker went away before it answered.');
    for (const parcel of this.parcels) parcel.settle(error);
  }
}

function unavailable(detail: string): DomainError {
  return MqttErrors.BROKER_UNAVAILABLE(detail, { retryAfter: 5 });
}

function refusal(error: Error): DomainError {
  const { code } = error as { readonly code?: unknown };
  if (typeof code !== 'number') return unavailable(`The MQTT broker did not take the message: ${error.message}.`);
  return MqttErrors.PUBLISH_REFUSED(`The MQTT broker refuses this message: ${error.message} (${code}).`);
}
