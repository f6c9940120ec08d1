import type { EventEmitter } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type {
  AedesPublishPacket,
  Client,
  ConnectPacket,
  PublishPacket,
  SubscribePacket,
  UnsubscribePacket,
} from 'aedes';
import { MqttConfig } from '../../config/mqtt.config.js';
import { TopicConfig } from '../../config/topic.config.js';
import { type Delivery, type LinkCapabilities, type LinkCounters, type LinkStatus, MqttLink } from '../link.js';
import type { OutboundMessage } from '../message.js';
import { MqttErrors } from '../mqtt.errors.js';
import { RetainedStore } from '../retained.store.js';
import { AccessRules, clampKeepalive } from './access-rules.js';
import { Audit } from './audit.js';
import { Broker } from './broker.js';
import { Connection } from './connection.js';
import { Flow } from './flow.js';
import { detached } from './detached.js';
import { DRAIN_TIMEOUT_MS, FrameGuard } from './frame.guard.js';
import { Intake, MAX_HALF_OPEN } from './intake.js';
import { listenProblem } from './listen-problem.js';
import { RetainedMessages } from './retained-messages.js';
import { SessionStore } from './session.store.js';
import { SubscriptionRules } from './subscription-rules.js';

const CONNECT_TIMEOUT_MS = 10_000;
const PUBLISH_TIMEOUT_MS = 10_000;
const TCP_KEEPALIVE_MS = 60_000;
/** Bytes that may wait for a subscriber that reads slowly. */
const MAX_UNREAD_BYTES = 1_048_576;
/** Connections that have not sent their CONNECT yet; beyond them the oldest is closed. */
const MAX_PENDING = 2_000;
const MAX_PAYLOAD = 256 * 1_024;
/** So that thousands of devices may come back in the same moment; the kernel caps it (net.core.somaxconn). */
const BACKLOG = 8_192;

/** The parser that aedes keeps per client: the only place where a whole SUBSCRIBE packet is seen. Pinned by a test. */
type ClientWithParser = Client & { readonly _parser: EventEmitter };

const CAPABILITIES: LinkCapabilities = {
  kind: 'embedded',
  mqttVersions: ['3.1', '3.1.1'],
  protocol: null,
  delivered: false,
  acknowledgement: 'committed',
  redelivery: 'device',
  retainedSurviveRestart: true,
  sessionsSurviveRestart: false,
};

/** The embedded broker: aedes in this process behind a TCP listener, guarded and bounded. */
export class EmbeddedLink extends MqttLink {
  override readonly capabilities = CAPABILITIES;
  override readonly listeners = null;
  private state: LinkStatus = 'starting';
  private address: string | null = null;
  private readonly connections = new WeakMap<Client, Connection>();
  private readonly sockets = new Set<Socket>();
  private readonly pending = new Set<FrameGuard>();
  private readonly rules = new AccessRules();
  private readonly audit = new Audit();
  private readonly flow: Flow;
  private readonly retained: RetainedMessages;
  private readonly sessions: SessionStore;
  private readonly subscriptions: SubscriptionRules;
  private readonly intake: Intake;
  private readonly broker: Broker;
  private readonly server: Server;

  constructor(
    private readonly config: MqttConfig,
    private readonly topics: TopicConfig,
    store: RetainedStore,
  ) {
    super();
    const connectionOf = (client: Client): Connection | undefined => this.connections.get(client);
    const { audit, rules } = this;
    this.flow = new Flow(config.deviceRate);
    this.retained = new RetainedMessages(store, topics.prefix);
    this.subscriptions = new SubscriptionRules(rules, audit, connectionOf);
    this.sessions = new SessionStore(this.retained, this.subscriptions.isRefused, (why) =>
      audit.count(`dropped.${why}`),
    );
    this.intake = new Intake({
      rules,
      audit,
      retained: this.retained,
      sessions: this.sessions,
      connectionOf,
      publishWill: (will) => this.broker.publish(will, null),
    });
    this.broker = new Broker(this.sessions, {
      concurrency: 0,
      connectTimeout: CONNECT_TIMEOUT_MS,
      drainTimeout: DRAIN_TIMEOUT_MS,
      maxClientsIdLength: 128,
      maxInflightInbound: MAX_HALF_OPEN,
      preConnect: (client, packet, done) => this.admit(client, packet, done),
      authorizePublish: this.intake.authorizePublish,
      authorizeSubscribe: this.subscriptions.authorizeSubscribe,
      authorizeForward: (client, packet) => this.forward(client, packet),
    });
    this.broker.on('clientReady', (client) => this.onReady(client));
    this.broker.on('clientDisconnect', (client) => this.sessions.disconnected(client.id, client.clean));
    (this.broker as EventEmitter).on('error', (error: Error) =>
      audit.note('error', 'broker error', () => ({ detail: error.message })),
    );
    this.server = createServer({
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEPALIVE_MS,
    });
    this.server.on('connection', (socket) => this.accept(socket));
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
    return this.address === null ? [] : [this.address];
  }

  /** Throws a StartupError where the address cannot be listened on. */
  override async start(filters: readonly string[], deliver: (delivery: Delivery) => void): Promise<void> {
    this.intake.start(filters, deliver);
    await this.retained.load();
    await this.broker.listen();
    await this.listen();
    this.state = 'up';
  }

  /** Throws PUBLISH_REFUSED, PAYLOAD_TOO_LARGE, BROKER_UNAVAILABLE, BROKER_TIMEOUT, or what one of our handlers threw. */
  override async publish({ topic, payload, qos, retain = false }: OutboundMessage): Promise<void> {
    if (this.state !== 'up') throw MqttErrors.BROKER_UNAVAILABLE('The MQTT broker is not running.', { retryAfter: 5 });
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    if (bytes.length > MAX_PAYLOAD) throw MqttErrors.PAYLOAD_TOO_LARGE(`A payload has at most ${MAX_PAYLOAD} bytes.`);
    const packet: PublishPacket = { cmd: 'publish', topic, payload: bytes, qos, retain, dup: false };
    const offered = this.intake.offer(packet, !this.isDownward(topic));
    await withinTime(offered);
    this.broker.publish(packet, null);
  }

  override async stopIntake(): Promise<void> {
    this.flow.stopped = true;
    this.intake.stop();
    this.server.close();
  }

  override async close(): Promise<void> {
    this.state = 'stopped';
    // The last acknowledgements are written at the end of the turn in which they were given.
    await new Promise(setImmediate);
    this.sessions.stop();
    await new Promise<void>((resolve) => this.broker.close(resolve));
    for (const guard of this.pending) guard.destroy();
    await Promise.all([...this.sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve))));
  }

  private async listen(): Promise<void> {
    const { host, port } = this.config;
    await new Promise<void>((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException): void => reject(listenProblem(error, host, port));
      this.server.once('error', onError);
      this.server.listen({ host, port, backlog: BACKLOG }, () => {
        this.server.off('error', onError);
        this.server.on('error', (error) =>
          this.audit.note('error', 'listener error', () => ({ detail: error.message })),
        );
        resolve();
      });
    });
    const { address, port: taken, family } = this.server.address() as AddressInfo;
    this.address = `mqtt://${family === 'IPv6' ? `[${address}]` : address}:${taken}`;
  }

  private accept(socket: Socket): void {
    this.sockets.add(socket);
    const address = `${socket.remoteAddress}:${socket.remotePort}`;
    const guard = new FrameGuard(socket, this.flow, {
      onRefused: (why, detail) =>
        this.audit.note(`refused.${why}`, 'client closed', () => ({ detail, client: connection.client.id, address })),
    });
    const connection = new Connection(guard, this.broker.handle(guard), address);
    this.connections.set(connection.client, connection);
    (connection.client as ClientWithParser)._parser.prependListener(
      'packet',
      (packet: SubscribePacket | UnsubscribePacket) => {
        if (packet.cmd === 'subscribe') this.subscriptions.judge(connection, packet);
        if (packet.cmd === 'unsubscribe') this.subscriptions.end(connection, packet, this.broker);
        if ((packet.cmd === 'subscribe' || packet.cmd === 'unsubscribe') && packet.messageId === 0) {
          guard.abort('packet', 'packet id 0'); // [MQTT-2.3.1-1]
        }
      },
    );
    socket.once('close', () => {
      this.sockets.delete(socket);
      this.pending.delete(guard);
    });
    this.pending.add(guard);
    if (this.pending.size > MAX_PENDING) this.closeOldestPending();
  }

  private closeOldestPending(): void {
    for (const guard of this.pending) {
      this.pending.delete(guard);
      guard.destroy(new Error('too many connections without CONNECT'));
      this.audit.note('refused.pending', 'too many connections without CONNECT, the oldest is closed', () => ({}));
      return;
    }
  }

  private admit(client: Client, packet: ConnectPacket, done: (error: Error | null, success: boolean) => void): void {
    const connection = this.connections.get(client);
    if (!connection || client.closed) return done(new Error('closed before its CONNECT was read'), false);
    this.pending.delete(connection.guard);
    const refusal = this.rules.refuseConnect(packet);
    if (refusal) {
      this.audit.note(`refused.${refusal.why}`, 'connection refused', () => ({
        detail: refusal.detail,
        client: packet.clientId.slice(0, 128),
        address: connection.address,
      }));
      connection.guard.refuse(refusal.returnCode);
      return done(new Error(refusal.detail), false);
    }
    if (packet.will) packet.will.payload = detached(packet.will.payload);
    packet.clientId = this.rules.clientId(packet);
    connection.guard.keepalive.set(clampKeepalive(packet.keepalive ?? 0));
    // The guard keeps the time; aedes would count while frames wait for our handlers.
    packet.keepalive = 0;
    void this.letIn(client, packet.clientId, () => done(null, true));
  }

  private async letIn(client: Client, id: string, letIn: () => void): Promise<void> {
    await this.broker.takeId(id, client);
    if (!client.closed) letIn();
  }

  private onReady(client: Client): void {
    this.sessions.connected(client.id);
    const guard = this.connections.get(client)?.guard;
    guard?.allowance.expect(this.sessions.releasesOf(client.id));
    guard?.open(client.id);
  }

  /** A subscriber that does not keep up loses QoS 0 messages; where there is a promise to keep, its connection. */
  private forward(client: Client, packet: AedesPublishPacket): AedesPublishPacket | null {
    this.connections.get(client)?.guard.allowance.expect(packet.qos);
    // aedes lowers the QoS to that of the subscription only for filters without wildcards [MQTT-3.8.4-6].
    if (packet.qos === 2 && !this.connections.get(client)?.grantsQos2(packet.topic)) packet.qos = 1;
    if (client.conn.destroyed || client.conn.writableLength <= MAX_UNREAD_BYTES) return packet;
    if (packet.qos === 0) {
      this.audit.count('dropped.slow_reader');
      return null;
    }
    this.audit.note('closed.slow_reader', 'subscriber closed: it reads too slowly', () => ({ client: client.id }));
    client.conn.destroy(new Error('slow reader'));
    // Given back, so that it stays queued in a stored session.
    return packet;
  }

  private isDownward(topic: string): boolean {
    const { prefix } = this.topics;
    return topic.startsWith(`${prefix}/`) && topic.slice(prefix.length + 1).split('/', 2)[1] === 'down';
  }
}

async function withinTime(accepted: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const seconds = PUBLISH_TIMEOUT_MS / 1_000;
    const detail = `The MQTT broker did not accept the message within ${seconds} s.`;
    timer = setTimeout(() => reject(MqttErrors.BROKER_TIMEOUT(detail)), PUBLISH_TIMEOUT_MS);
  });
  try {
    await Promise.race([accepted, late]);
  } finally {
    clearTimeout(timer);
  }
}
