import type { EventEmitter } from 'node:events';
import type { PublishPacket, SubscribePacket, UnsubscribePacket } from 'aedes';
import { TopicConfig } from '../../config/topic.config.js';
import { ClientAccess } from '../client-access.js';
import { type Delivery, type LinkCapabilities, type LinkCounters, type LinkStatus, MqttLink } from '../link.js';
import type { OutboundMessage } from '../message.js';
import { MqttErrors } from '../mqtt.errors.js';
import { RetainedStore } from '../retained.store.js';
import type { AedesClient } from './aedes-client.js';
import { AccessRules } from './access-rules.js';
import { Addressees } from './addressees.js';
import { ClientAdmission } from './client-admission.js';
import { Audit } from './audit.js';
import { Broker } from './broker.js';
import { CommandListeners } from './command-listeners.js';
import { Connection, connectionOf, ownerOf } from './connection.js';
import { Entrances, type EntranceSettings } from './entrances.js';
import { Flapping } from './flapping.js';
import { Flow } from './flow.js';
import { Forwarding } from './forwarding.js';
import { DRAIN_TIMEOUT_MS, FrameGuard } from './frame.guard.js';
import { Intake, MAX_HALF_OPEN } from './intake.js';
import { Logins } from './logins.js';
import { watchOwnRefusals } from './own-refusals.js';
import { Receipts } from './receipts.js';
import { RetainedMessages } from './retained-messages.js';
import { SessionStore } from './session.store.js';
import { SubscriptionRules } from './subscription-rules.js';
import type { Incoming } from './transport.js';
import { withinTime } from './within-time.js';

const CONNECT_TIMEOUT_MS = 10_000;
const PUBLISH_TIMEOUT_MS = 10_000;
const MAX_PAYLOAD = 256 * 1_024;
/** In place of a granted QoS [MQTT-3.9.3-2]. */
const REFUSED = 0x80;

/** The packets of a client that are looked at before aedes gets them. */
type Watched = SubscribePacket | UnsubscribePacket | { readonly cmd: 'puback'; readonly messageId: number };

const CAPABILITIES: LinkCapabilities = {
  kind: 'embedded',
  mqttVersions: ['3.1', '3.1.1'],
  protocol: null,
  delivered: true,
  acknowledgement: 'committed',
  redelivery: 'device',
  retainedSurviveRestart: true,
  sessionsSurviveRestart: false,
};

/** The embedded broker: aedes in this process behind its listeners, guarded and bounded. */
export class EmbeddedLink extends MqttLink {
  override readonly capabilities = CAPABILITIES;
  override readonly listeners: CommandListeners;
  private state: LinkStatus = 'starting';
  private readonly addressees = new Addressees();
  private readonly logins: Logins;
  private readonly admission: ClientAdmission;
  private readonly audit = new Audit();
  private readonly flow: Flow;
  private readonly retained: RetainedMessages;
  private readonly sessions: SessionStore;
  private readonly subscriptions: SubscriptionRules;
  private readonly receipts = new Receipts();
  private readonly intake: Intake;
  private readonly broker: Broker;
  private readonly entrances: Entrances;

  constructor(
    settings: Omit<EntranceSettings, 'isOpen'>,
    private readonly topics: TopicConfig,
    store: RetainedStore,
    private readonly access: ClientAccess,
  ) {
    super();
    const { audit, receipts, addressees } = this;
    const rules = new AccessRules(access.required);
    this.flow = new Flow(settings.mqtt.deviceRate);
    this.retained = new RetainedMessages(store, topics.prefix);
    this.subscriptions = new SubscriptionRules(
      rules,
      audit,
      (id, filter) => void this.sessions.removeSubscriptions({ id }, [filter]),
    );
    this.sessions = new SessionStore({
      retained: this.retained,
      isRefused: this.subscriptions.isRefused,
      onDropped: (why) => audit.count(`dropped.${why}`),
      // Whether a command goes out once more when its device is back is not for a queue to say: its time may be over.
      isOfTheMoment: (clientId, topic) => topic.startsWith(`${topics.prefix}/${clientId}/down/commands/`),
      mayGet: (packet, clientId) => addressees.mayGet(packet, clientId),
    });
    this.intake = new Intake({
      rules,
      audit,
      retained: this.retained,
      sessions: this.sessions,
      publishWill: (will) => this.broker.publish(will, null),
    });
    this.logins = new Logins({
      access,
      audit,
      sessions: this.sessions,
      sayWill: (connection, will) => this.intake.takeWill(connection, will),
    });
    this.listeners = new CommandListeners(topics.prefix, (id) => this.broker.clientOf(id));
    this.admission = new ClientAdmission({
      rules,
      audit,
      topics,
      logins: this.logins,
      attendances: this.listeners.attendances,
      // In open mode any program on this machine could lock out any device by its id.
      flapping: access.required ? new Flapping() : null,
      onConnect: ({ guard }) => this.entrances.arrived(guard),
      holderOf: (id) => this.broker.holderOf(id),
      takeId: (id, client) => this.broker.takeId(id, client),
      claim: (id, owner) => this.sessions.claim(id, owner),
    });
    const { authorizeForward } = new Forwarding({
      audit,
      receipts,
      addressees,
      sessions: this.sessions,
    });
    this.broker = new Broker(this.sessions, {
      concurrency: 0,
      connectTimeout: CONNECT_TIMEOUT_MS,
      drainTimeout: DRAIN_TIMEOUT_MS,
      maxClientsIdLength: 128,
      maxInflightInbound: MAX_HALF_OPEN,
      preConnect: this.admission.preConnect,
      authorizePublish: this.intake.authorizePublish,
      authorizeSubscribe: this.subscriptions.authorizeSubscribe,
      authorizeForward,
    });
    this.watchSubscriptions();
    this.broker.on('clientReady', (client) => this.onReady(client as AedesClient));
    this.broker.on('clientDisconnect', (client) => {
      const connection = connectionOf(client);
      if (connection) this.sessions.disconnected(client.id, client.clean, ownerOf(connection.principal));
    });
    (this.broker as EventEmitter).on('error', (error: Error) =>
      audit.note('error', 'broker error', () => ({ detail: error.message })),
    );
    const entrances = { ...settings, isOpen: !access.required };
    this.entrances = new Entrances(entrances, audit, (incoming) => this.flow.changes.do(() => this.accept(incoming)));
  }

  override get status(): LinkStatus {
    return this.state;
  }

  override get counters(): LinkCounters {
    return this.audit.counters;
  }

  override get clients(): number {
    return this.broker.connectedClients;
  }

  override get urls(): readonly string[] {
    return this.entrances.urls;
  }

  /** Throws a StartupError where the address cannot be listened on. */
  override async start(filters: readonly string[], deliver: (delivery: Delivery) => void): Promise<void> {
    this.intake.start(filters, deliver);
    await this.retained.load();
    await this.broker.listen();
    this.logins.start();
    await this.entrances.open();
    this.state = 'up';
  }

  /** Throws PUBLISH_REFUSED, PAYLOAD_TOO_LARGE, BROKER_UNAVAILABLE, BROKER_TIMEOUT, or what one of our handlers threw. */
  override async publish(message: OutboundMessage): Promise<void> {
    const { topic, payload, qos, retain = false, receipt } = message;
    // In open mode every topic is everybody's.
    const to = this.access.required ? message.to : undefined;
    if (this.state !== 'up') throw MqttErrors.BROKER_UNAVAILABLE('The MQTT broker is not running.', { retryAfter: 5 });
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    if (bytes.length > MAX_PAYLOAD) throw MqttErrors.PAYLOAD_TOO_LARGE(`A payload has at most ${MAX_PAYLOAD} bytes.`);
    const packet: PublishPacket = { cmd: 'publish', topic, payload: bytes, qos, retain, dup: false };
    const offered = this.intake.offer(packet, !this.isDownward(topic));
    await withinTime(offered, PUBLISH_TIMEOUT_MS, late);
    if (!receipt && to === undefined) return this.broker.publish(packet, null);
    const numbered = this.broker.numbered(packet);
    if (receipt) this.receipts.want(numbered, receipt);
    if (to !== undefined) this.addressees.begin(numbered, to);
    this.broker.fanOut(numbered, null, () => {
      this.receipts.settled(numbered);
      this.addressees.end(numbered);
    });
  }

  override async stopIntake(): Promise<void> {
    this.flow.stopped = true;
    this.listeners.attendances.stop();
    this.intake.stop();
    this.entrances.stop();
  }

  override async close(): Promise<void> {
    this.state = 'stopped';
    // The last acknowledgements are written at the end of the turn in which they were given.
    await new Promise(setImmediate);
    this.sessions.stop();
    this.logins.stop();
    await new Promise<void>((resolve) => this.broker.close(resolve));
    await this.entrances.close();
  }

  private accept(incoming: Incoming): void {
    const { stream, address } = incoming;
    // While it waited for its turn; nobody would hear of its end any more.
    if (stream.readableEnded) stream.destroy();
    if (stream.destroyed) return;
    const guard = new FrameGuard(stream, this.flow, {
      onRefused: (why, detail) =>
        this.audit.note(`refused.${why}`, 'client closed', () => ({ detail, client: connection.client.id, address })),
    });
    const connection = new Connection(guard, this.broker.accept(guard), incoming);
    const { client } = connection;
    client._parser.prependListener('packet', (packet: Watched) => this.look(connection, packet));
    watchOwnRefusals(client, this.audit, address);
    guard.once('close', () => {
      this.listeners.gone(client, connection.whyEnded);
      this.receipts.gone(client);
      this.logins.gone(connection);
      this.admission.gone(connection);
    });
    this.entrances.wait(guard, stream);
  }

  private look(connection: Connection, packet: Watched): void {
    if (packet.cmd === 'puback') return this.receipts.acknowledged(connection.client, packet.messageId);
    if (packet.cmd === 'subscribe') this.subscriptions.judge(connection, packet);
    else if (packet.cmd === 'unsubscribe') {
      this.subscriptions.end(connection, packet, this.broker);
      this.listeners.ended(connection.client, packet.unsubscriptions);
    } else return;
    if (packet.messageId === 0) connection.guard.abort('packet', 'packet id 0'); // [MQTT-2.3.1-1]
  }

  private watchSubscriptions(): void {
    this.broker.on('subscribe', (granted, client) => {
      const filters = granted.filter(({ qos }) => (qos as number) !== REFUSED).map(({ topic }) => topic);
      this.listeners.started(client as AedesClient, filters);
    });
    this.broker.on('unsubscribe', (filters, client) => this.listeners.dropped(client as AedesClient, filters));
  }

  private onReady(client: AedesClient): void {
    this.sessions.connected(client.id);
    const connection = connectionOf(client);
    if (connection) {
      const { guard } = connection;
      this.entrances.admitted(guard);
      connection.admitted();
      guard.allowance.expect(this.sessions.releasesOf(client.id));
      guard.open(client.id);
    }
    this.listeners.ready(client);
  }

  private isDownward(topic: string): boolean {
    const { prefix } = this.topics;
    return topic.startsWith(`${prefix}/`) && topic.slice(prefix.length + 1).split('/', 2)[1] === 'down';
  }
}

function late(): Error {
  const seconds = PUBLISH_TIMEOUT_MS / 1_000;
  return MqttErrors.BROKER_TIMEOUT(`The MQTT broker did not accept the message within ${seconds} s.`);
}
