import type { IClientOptions, MqttClient } from 'mqtt';
import type { ProtocolVersion } from './protocol-choice.js';
import { Reader, type ReaderParts, type ReaderSpec } from './reader.js';

const TOPIC = 'services/signalbox/status';
/** How long the broker waits for a replica that takes over before it publishes the will (MQTT 5). */
const WILL_DELAY_S = 15;
/** "Disconnect with Will Message" (MQTT 5, 3.14.2.1): it is published after its delay, unless the session goes on before. */
const WITH_WILL = 0x04;

/** Whether another replica will take the first seat over. */
export type Others = 'none' | 'perhaps' | 'waiting';

/**
 * The one session with normal subscriptions: to `up/status`, because shared ones get no retained messages, and to
 * `up/commands/+`, because a broker deals what is shared out to several sessions, and the answers of a device would overtake each
 * other. Its connection also tells on `services/signalbox/status`, retained, whether any replica is there.
 */
export class OrderedReader {
  private readonly reader: Reader;
  private client: MqttClient | null = null;
  private readonly note: (error: Error) => void;

  constructor(
    parts: ReaderParts,
    spec: Pick<ReaderSpec, 'clientId' | 'filters' | 'judge' | 'onStop' | 'beforeRedial'>,
  ) {
    this.reader = new Reader(parts, {
      ...spec,
      name: 'status',
      shared: false,
      covered: [],
      settings,
      onReady: (client) => {
        this.client = client;
        this.tell(client, true);
      },
    });
    this.note = (error) =>
      parts.line.journal.note('refused.birth', 'the broker does not let us publish our status', () => ({
        detail: error.message,
        hint: `Allow this login to publish to ${TOPIC}.`,
      }));
  }

  get isReady(): boolean {
    return this.reader.isReady;
  }

  open(): void {
    this.reader.open();
  }

  cut(): void {
    this.reader.cut();
  }

  /** Tells that we are gone where we are the last; where we may not be, the broker is left to tell, if it can wait. */
  async leave(others: Others): Promise<void> {
    const { client } = this;
    const canWait = client?.options.protocolVersion === 5;
    const isLast = others === 'none' || (others === 'perhaps' && !canWait);
    if (isLast && client?.connected && this.reader.isReady) this.tell(client, false);
    await this.reader.leave(!isLast && canWait ? WITH_WILL : undefined);
  }

  private tell(client: MqttClient, online: boolean): void {
    client.publish(TOPIC, JSON.stringify({ online }), { qos: 1, retain: true }, (error) => {
      if (error && client.connected) this.note(error);
    });
  }
}

function settings(version: ProtocolVersion): Pick<IClientOptions, 'will'> {
  const will = { topic: TOPIC, payload: Buffer.from(JSON.stringify({ online: false })), qos: 1 as const, retain: true };
  return { will: version === 5 ? { ...will, properties: { willDelayInterval: WILL_DELAY_S } } : will };
}
