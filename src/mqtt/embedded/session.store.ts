import { Readable } from 'node:stream';
import type { AedesPublishPacket, Subscription } from 'aedes';
import type { AedesClient } from './aedes-client.js';
import { detached } from './detached.js';
import { HalfOpen } from './half-open.js';
import { takePacketId } from './packet-ids.js';
import { type Filter, newSession, type Outgoing, type Session, sizeOf } from './session.js';
import { SESSION_LIMITS, type SessionLimits } from './session-limits.js';
import type { Absence, SessionParts } from './session-parts.js';
import { TopicTree } from './topic-tree.js';

const SWEEP_MS = 60_000;

interface Named {
  readonly id: string;
}
/**
 * The state of sessions in memory, bounded, as aedes' persistence interface asks for it. Sessions end with the process
 * (session present = 0 after a restart); retained messages are kept by {@link RetainedMessages}.
 */
export class SessionStore {
  private readonly sessions = new Map<string, Session>();
  readonly halfOpen = new HalfOpen();
  private readonly wills = new Map<string, object>();
  /** Clients with a session that are away; the longest absent first. */
  private readonly away = new Map<string, Absence>();
  private readonly subscribers = new TopicTree<Map<string, number>>();
  private bytes = 0;
  private sweeper: NodeJS.Timeout | null = null;

  private readonly limits: SessionLimits;

  constructor(private readonly parts: SessionParts) {
    this.limits = parts.limits ?? SESSION_LIMITS;
  }

  /** aedes checks that this is an async function. */
  async setup(): Promise<void> {
    this.sweeper = setInterval(() => this.sweep(), SWEEP_MS).unref();
  }

  stop(): void {
    if (this.sweeper) clearInterval(this.sweeper);
  }

  hasSubscriber(topic: string): boolean {
    return this.subscribers.matchingTopic(topic).length > 0;
  }

  /** How many PUBREL packets a client was sent that it did not answer. */
  releasesOf(clientId: string): number {
    return [...(this.sessions.get(clientId)?.outgoing.values() ?? [])].filter(({ cmd }) => cmd === 'pubrel').length;
  }

  connected(clientId: string): void {
    this.away.delete(clientId);
  }

  /** What another principal left under this id is not for its new holder. To be called before that is let in. */
  claim(clientId: string, owner: string): void {
    const absence = this.away.get(clientId);
    if (absence && absence.owner !== owner) this.end(clientId);
  }

  /** The principal is not there any more, and its clients are not connected. */
  forgetOwner(owner: string): void {
    for (const [id, absence] of this.away) if (absence.owner === owner) this.end(id);
  }

  /** What is kept of the session from now on counts against the limits. */
  disconnected(clientId: string, clean: boolean, owner: string): void {
    if (clean) {
      this.end(clientId);
      return;
    }
    const session = this.sessions.get(clientId);
    if (!session && this.halfOpen.count(clientId) === 0) return;
    if (session) this.trim(session);
    this.away.delete(clientId);
    this.away.set(clientId, { since: Date.now(), owner });
    this.sweep();
  }

  async addSubscriptions({ id }: Named, subscriptions: readonly Subscription[]): Promise<void> {
    for (const subscription of subscriptions) {
      if (this.parts.isRefused(subscription)) continue;
      const { topic, qos } = subscription;
      const session = this.session(id);
      session.filters.set(topic, { topic, qos });
      this.forget(topic, id);
      // QoS 0 is not queued for a client that is away.
      if (qos === 0) continue;
      const clients = this.subscribers.get(topic) ?? new Map<string, number>();
      this.subscribers.set(topic, clients.set(id, qos));
    }
  }

  async removeSubscriptions({ id }: Named, topics: readonly string[]): Promise<void> {
    const session = this.sessions.get(id);
    for (const topic of topics) if (session?.filters.delete(topic)) this.forget(topic, id);
  }

  async subscriptionsByClient({ id }: Named): Promise<Filter[]> {
    return [...(this.sessions.get(id)?.filters.values() ?? [])].map((filter) => ({ ...filter }));
  }

  async subscriptionsByTopic(topic: string): Promise<{ clientId: string; topic: string; qos: number }[]> {
    const found = this.subscribers.matchingTopic(topic);
    return found.flatMap((clients) => [...clients].map(([clientId, qos]) => ({ clientId, topic, qos })));
  }

  /** Called when a client starts a clean session: nothing of an older one may survive [MQTT-3.1.2-6]. */
  async cleanSubscriptions({ id }: Named): Promise<void> {
    this.end(id);
  }

  async cleanIncoming({ id }: Named): Promise<void> {
    this.halfOpen.clear(id);
  }

  async outgoingEnqueue({ clientId }: { readonly clientId: string }, packet: AedesPublishPacket): Promise<void> {
    this.enqueue(clientId, packet);
  }

  async outgoingEnqueueCombi(
    subscribers: readonly { readonly clientId: string }[],
    packet: AedesPublishPacket,
  ): Promise<void> {
    for (const { clientId } of subscribers) if (this.parts.mayGet(packet, clientId)) this.enqueue(clientId, packet);
  }

  /** Notes the packet id under which a message went out, or that its PUBREC came. Rejects where the queue is full. */
  async outgoingUpdate({ id }: Named, packet: Outgoing): Promise<void> {
    const session = this.session(id);
    const messageId = packet.messageId ?? 0;
    if (packet.cmd === 'pubrel') {
      const counter = session.counterOfId.get(messageId);
      if (counter === undefined) throw new Error('no such packet');
      this.put(session, counter, packet);
      return;
    }
    // A subscription that became live while the message was on its way has not queued it yet.
    const counter = packet.brokerCounter;
    const queued = session.outgoing.get(counter) ?? this.enqueue(id, packet);
    if (!queued) throw new Error('too many messages wait for their acknowledgement');
    // When it goes out once more [MQTT-3.3.1-1].
    this.put(session, counter, { ...queued, messageId, dup: true });
    session.counterOfId.set(messageId, counter);
  }

  async outgoingClearMessageId({ id }: Named, packet: Partial<AedesPublishPacket>): Promise<Outgoing | undefined> {
    const session = this.sessions.get(id);
    if (!session) return undefined;
    const { messageId } = packet;
    const counter = messageId === undefined ? packet.brokerCounter : session.counterOfId.get(messageId);
    if (counter === undefined) return undefined;
    return this.drop(session, counter);
  }

  /** True while a message went out with this packet id and is not acknowledged. */
  isInFlight(clientId: string, messageId: number): boolean {
    return this.sessions.get(clientId)?.counterOfId.has(messageId) === true;
  }

  /** What a client that is back is sent, each with the packet id that it had, or with one that is free. */
  outgoingStream(client: Pick<AedesClient, 'id' | '_nextId'>): Readable {
    const isTaken = (id: number): boolean => this.isInFlight(client.id, id);
    const session = this.sessions.get(client.id);
    for (const [counter, packet] of session?.outgoing ?? []) {
      if (packet.cmd === 'publish' && this.parts.isOfTheMoment(client.id, packet.topic)) this.drop(session!, counter);
    }
    const queued = [...(session?.outgoing.values() ?? [])];
    return Readable.from(
      queued.map((one) => (one.messageId ? one : { ...one, messageId: takePacketId(client, isTaken) })),
    );
  }

  /**
   * Rejects for an id that is new. A publish takes the id in the same step, so that its double right behind it is known:
   * aedes stores it only later, and would publish both.
   */
  async incomingGetPacket({ id }: Named, packet: { readonly cmd: string; messageId?: number }): Promise<object> {
    const messageId = packet.messageId ?? 0;
    if (this.halfOpen.has(id, messageId)) return packet;
    if (packet.cmd === 'publish') this.halfOpen.add(id, messageId);
    throw new Error('no such packet');
  }

  async incomingStorePacket({ id }: Named, packet: { readonly messageId?: number }): Promise<void> {
    this.halfOpen.add(id, packet.messageId ?? 0);
  }

  async incomingDelPacket({ id }: Named, packet: { readonly messageId?: number }): Promise<void> {
    if (!this.halfOpen.delete(id, packet.messageId ?? 0)) throw new Error('no such packet');
  }

  async putWill({ id }: Named, will: { clientId?: string }): Promise<void> {
    will.clientId = id;
    this.wills.set(id, will);
  }

  async delWill({ id }: Named): Promise<object | undefined> {
    const will = this.wills.get(id);
    this.wills.delete(id);
    return will;
  }

  /** Wills of brokers that died. There is one broker, and its wills die with it. */
  streamWill(): Readable {
    return Readable.from([]);
  }

  /** Written by the intake before the acknowledgement. */
  async storeRetained(): Promise<void> {}

  createRetainedStreamCombi(filters: readonly string[]): Readable {
    return Readable.from(this.parts.retained.matching(filters));
  }

  private enqueue(id: string, packet: AedesPublishPacket): AedesPublishPacket | null {
    const session = this.session(id);
    const { topic, payload, qos, retain, brokerId, brokerCounter } = packet;
    if (!this.hasRoom(id, session, sizeOf(packet))) {
      this.parts.onDropped('offline_queue');
      return null;
    }
    const kept = { cmd: 'publish', brokerId, brokerCounter, topic, payload: detached(payload), qos, retain } as const;
    return this.put(session, brokerCounter, { ...kept, dup: false });
  }

  private hasRoom(id: string, session: Session, size: number): boolean {
    const { limits } = this;
    const [queue, total] = this.away.has(id)
      ? [limits.offlineQueue, limits.totalBytes]
      : [limits.onlineQueue, 2 * limits.totalBytes];
    return session.outgoing.size < queue && session.bytes + size <= limits.sessionBytes && this.bytes + size <= total;
  }

  private put<P extends Outgoing>(session: Session, counter: number, packet: P): P {
    const more = sizeOf(packet) - sizeOf(session.outgoing.get(counter));
    session.outgoing.set(counter, packet);
    session.bytes += more;
    this.bytes += more;
    return packet;
  }

  private drop(session: Session, counter: number): Outgoing | undefined {
    const packet = session.outgoing.get(counter);
    const size = sizeOf(packet);
    session.outgoing.delete(counter);
    session.bytes -= size;
    this.bytes -= size;
    if (packet?.messageId !== undefined) session.counterOfId.delete(packet.messageId);
    return packet;
  }

  private session(id: string): Session {
    let session = this.sessions.get(id);
    if (!session) {
      session = newSession();
      this.sessions.set(id, session);
    }
    return session;
  }

  private forget(topic: string, id: string): void {
    const clients = this.subscribers.get(topic);
    if (clients?.delete(id) && clients.size === 0) this.subscribers.delete(topic);
  }

  private end(id: string): void {
    const session = this.sessions.get(id);
    for (const topic of session?.filters.keys() ?? []) this.forget(topic, id);
    this.bytes -= session?.bytes ?? 0;
    this.sessions.delete(id);
    this.halfOpen.clear(id);
    this.away.delete(id);
  }

  private trim(session: Session): void {
    const { outgoing } = session;
    let excess = outgoing.size - this.limits.offlineQueue;
    for (const counter of [...outgoing.keys()].toReversed()) {
      if (excess-- <= 0 && this.bytes <= this.limits.totalBytes) break;
      this.drop(session, counter);
      this.parts.onDropped('offline_queue');
    }
  }

  private sweep(): void {
    const oldest = Date.now() - this.limits.maxAgeMs;
    for (const [id, { since }] of this.away) {
      if (since > oldest && this.away.size <= this.limits.sessions) break;
      this.end(id);
      this.parts.onDropped('session');
    }
  }
}
