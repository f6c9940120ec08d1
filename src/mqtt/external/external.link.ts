import { randomBytes } from 'node:crypto';
import type { BrokerConfig } from '../../config/broker.config.js';
import type { TopicConfig } from '../../config/topic.config.js';
import { type Delivery, type LinkCapabilities, type LinkCounters, type LinkStatus, MqttLink } from '../link.js';
import type { OutboundMessage } from '../message.js';
import { MqttErrors } from '../mqtt.errors.js';
import type { SeatStore } from '../seat.store.js';
import { checkCertificates, clientOptions, publicUrl } from './client-options.js';
import { fewestFilters, filtersOverlap, overlappingPairs } from '../filter-cover.js';
import { Journal } from './journal.js';
import type { Line } from './lasting.connection.js';
import { Outbox } from './outbox.js';
import { ProtocolChoice } from './protocol-choice.js';
import { ReadingBudget } from './reading-budget.js';
import { Seats } from './seats.js';

/** How long a start waits for the broker. What is not there by then is connected later. */
const START_MS = 5_000;

/**
 * An external broker, through mqtt.js: durable reading sessions that the replicas share (contract, section 9), and one
 * connection that publishes. Whatever fails is tried again by itself; `status` and the log say what is missing.
 */
export class ExternalLink extends MqttLink {
  override readonly clients = null;
  override readonly listeners = null;
  override readonly urls: readonly string[];
  private readonly line: Line;
  private readonly journal: Journal;
  private readonly outbox: Outbox;
  private seats: Seats | null = null;
  private phase: 'starting' | 'running' | 'stopped' = 'starting';
  private onChange: () => void = () => {};
  private endStart: () => void = () => {};

  constructor(
    private readonly broker: BrokerConfig,
    private readonly topics: TopicConfig,
    private readonly store: SeatStore,
  ) {
    super();
    const { url, shareGroup, clientId } = broker;
    if (!url) throw new Error('an external link needs MQTT_URL');
    this.urls = [publicUrl(url)];
    this.journal = new Journal(this.urls[0]!, () => this.changed());
    const options = () => clientOptions(broker, url);
    this.line = { options, protocol: new ProtocolChoice(), journal: this.journal };
    this.outbox = new Outbox(this.line, clientId || `${shareGroup}-${randomBytes(6).toString('hex')}`);
  }

  override get status(): LinkStatus {
    if (this.phase === 'stopped') return 'stopped';
    if (this.isUp) return 'up';
    return this.phase === 'starting' ? 'starting' : 'down';
  }

  override get counters(): LinkCounters {
    return this.journal.counters;
  }

  override get capabilities(): LinkCapabilities {
    const protocol = this.line.protocol.version === 5 ? '5' : '3.1.1';
    return {
      kind: 'external',
      mqttVersions: null,
      protocol: this.outbox.isReady ? protocol : null,
      delivered: false,
      acknowledgement: 'accepted-by-broker',
      redelivery: 'broker',
      retainedSurviveRestart: null,
      sessionsSurviveRestart: null,
    };
  }

  /**
   * Resolves when all is subscribed, at the first trouble, or after 5 s: a broker that is away does not fail the start, because
   * it comes back by itself. Rejects with a StartupError where our own certificates cannot be used.
   */
  override async start(filters: readonly string[], deliver: (delivery: Delivery) => void): Promise<void> {
    checkCertificates(this.broker);
    // Of the first the retained ones are wanted, of the second a broker that deals them out would change the order.
    const inOrder = [`${this.topics.prefix}/+/up/status`, `${this.topics.prefix}/+/up/commands/+`];
    const fewest = fewestFilters(filters);
    this.warnOfOverlaps(fewest);
    this.seats = new Seats({
      line: this.line,
      budget: new ReadingBudget(),
      broker: this.broker,
      store: this.store,
      deliver,
      filters: fewest,
      covered: [...new Set(filters)].filter((filter) => !fewest.includes(filter)),
      inOrder: inOrder.filter((wanted) => fewest.some((filter) => filtersOverlap(filter, wanted))),
    });
    const settled = this.settled();
    this.outbox.open();
    this.seats.start();
    await settled;
    if (this.phase === 'starting') this.phase = 'running';
  }

  override async publish(message: OutboundMessage): Promise<void> {
    if (this.phase === 'stopped') throw MqttErrors.BROKER_UNAVAILABLE('Signalbox is stopping.', { retryAfter: 5 });
    await this.outbox.publish(message);
  }

  /** Hands the reading sessions over to other replicas: resolves when what was in flight is acknowledged, after 10 s at most. */
  override async stopIntake(): Promise<void> {
    this.endStart();
    await this.seats?.stop();
  }

  override async close(): Promise<void> {
    this.phase = 'stopped';
    await this.outbox.close();
  }

  private get isUp(): boolean {
    return this.outbox.isReady && this.seats?.isReady === true;
  }

  private changed(): void {
    if (this.isUp) this.journal.up({ protocol: this.capabilities.protocol, seats: this.journal.seats });
    this.onChange();
  }

  private async settled(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, START_MS);
      this.endStart = resolve;
      this.onChange = () => {
        if (this.isUp || this.journal.troubled) resolve();
      };
    });
    clearTimeout(timer);
    this.onChange = () => {};
  }

  private warnOfOverlaps(filters: readonly string[]): void {
    for (const [one, other] of overlappingPairs(filters)) {
      this.journal.warn('two filters match some topics in common', {
        filters: [one, other],
        hint: 'The broker hands a message on such a topic over twice. A reading in it that has neither ts nor id is then stored twice: let the topics of MESSAGE_TOPICS and DEVICE_TOPICS cover the others or differ.',
      });
    }
  }
}
