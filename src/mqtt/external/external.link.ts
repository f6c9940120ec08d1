import type { BrokerConfig } from '../../config/broker.config.js';
import type { TopicConfig } from '../../config/topic.config.js';
import { type Delivery, type LinkCapabilities, type LinkCounters, type LinkStatus, MqttLink } from '../link.js';
import type { OutboundMessage } from '../message.js';
import type { SeatStore } from '../seat.store.js';

/** An external broker, through mqtt.js. */
export class ExternalLink extends MqttLink {
  override readonly status: LinkStatus = 'starting';
  override readonly counters: LinkCounters = {};
  override readonly clients = null;
  override readonly urls: readonly string[];
  override readonly capabilities: LinkCapabilities = {
    kind: 'external',
    mqttVersions: null,
    protocol: null,
    delivered: false,
    acknowledgement: 'accepted-by-broker',
    redelivery: 'broker',
    retainedSurviveRestart: null,
    sessionsSurviveRestart: null,
  };

  constructor(
    broker: BrokerConfig,
    readonly topics: TopicConfig,
    readonly seats: SeatStore,
  ) {
    super();
    this.urls = [String(broker.url)];
  }

  override start(_filters: readonly string[], _deliver: (delivery: Delivery) => void): Promise<void> {
    return Promise.reject(new Error('not built yet'));
  }

  override publish(_message: OutboundMessage): Promise<void> {
    return Promise.reject(new Error('not built yet'));
  }

  override async stopIntake(): Promise<void> {}

  override async close(): Promise<void> {}
}
