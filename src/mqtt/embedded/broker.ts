import type { Duplex } from 'node:stream';
import { Aedes, type AedesOptions, type AedesPublishPacket, type Client, type PublishPacket } from 'aedes';
import { TopicCache } from '../topic-cache.js';
import type { AedesClient } from './aedes-client.js';
import { ClientIds } from './client-ids.js';
import type { SessionStore } from './session.store.js';
import { TopicTree } from './topic-tree.js';

type Done = (error?: Error) => void;
type Deliver = Parameters<Aedes['subscribe']>[1];
/** As aedes calls itself; its types know only the form without a client. */
type PublishOf = (packet: PublishPacket, client: Client | null, done: Done) => void;

/** What aedes' types leave out. */
interface Registry {
  registerClient(client: Client): void;
  unregisterClient(client: Client): void;
  readonly clients: Readonly<Record<string, Client | undefined>>;
  /** The number of the latest message. */
  counter: number;
}

const nothing = (): void => {};

/**
 * aedes, which skips its fan-out where nobody subscribes to the topic, neither live nor in a stored session, and lets no
 * publisher wait for the sockets of subscribers, and keeps one client per id.
 */
export class Broker extends Aedes {
  private readonly filters = new TopicTree<{ count: number }>();
  private readonly wanted = new TopicCache<boolean>(
    (topic) => this.filters.matchingTopic(topic).length > 0 || this.sessions.hasSubscriber(topic),
  );

  private readonly ids = new ClientIds();
  private readonly noDoubles: object;

  constructor(
    private readonly sessions: SessionStore,
    options: AedesOptions,
  ) {
    super({ ...options, persistence: sessions });
    this.noDoubles = Object.defineProperty({}, this.id, { get: () => 0, set: nothing });
  }

  /**
   * Takes a new connection in. What aedes forwards out of the order of its numbers it drops as a double, such as a QoS 1
   * message, which has to ask for stored sessions first, after one of QoS 0 that was published right behind it. So this check
   * is put off, and `authorizeForward` must tell doubles.
   */
  accept(stream: Duplex): AedesClient {
    const client = this.handle(stream) as AedesClient;
    client.duplicates = this.noDoubles;
    return client;
  }

  /** The client that is connected under `id`. */
  clientOf(id: string): Client | undefined {
    return (this as unknown as Registry).clients[id];
  }

  /** The client that has `id`, or is about to have it. */
  holderOf(id: string): Client | null {
    return this.ids.holderOf(id);
  }

  /** Resolves when nobody else has `id`. To be called before the client is let in. */
  takeId(id: string, client: Client): Promise<void> {
    // Later than what aedes does at the end of the connection.
    client.conn.once('close', () => {
      if (this.clientOf(id) !== client) this.ids.leave(client);
    });
    return this.ids.take(id, client);
  }

  registerClient(client: Client): void {
    // aedes would count one for ever that closed while it was let in.
    if (!client.closed) (super['registerClient' as never] as Registry['registerClient']).call(this, client);
  }

  unregisterClient(client: Client): void {
    (super['unregisterClient' as never] as Registry['unregisterClient']).call(this, client);
    this.ids.leave(client);
  }

  override publish(packet: PublishPacket, clientOrDone: Client | null | Done, done: Done = nothing): void {
    const [client, callback] = typeof clientOrDone === 'function' ? [null, clientOrDone] : [clientOrDone, done];
    this.fanOut(packet, client, nothing);
    callback();
  }

  /** As `publish`, but calls back when it is written to all that are connected, or waits in their sessions. */
  fanOut(packet: PublishPacket, client: Client | null, done: Done): void {
    const { topic } = packet;
    // aedes tells other brokers of a cluster about itself; there are none.
    if (topic.startsWith('$')) return done();
    if (!packet.retain && !this.wanted.get(topic)) return done();
    (super.publish as unknown as PublishOf).call(this, packet, client, done);
  }

  /** A message with its number already, under which it is known again wherever it is forwarded. To be published at once. */
  numbered(packet: PublishPacket): AedesPublishPacket {
    return { ...packet, brokerId: this.id, brokerCounter: ++(this as unknown as Registry).counter };
  }

  override subscribe(topic: string, deliver: Deliver, done: () => void): void {
    const known = this.filters.get(topic);
    if (known) known.count++;
    else this.filters.set(topic, { count: 1 });
    this.wanted.clear();
    super.subscribe(topic, deliver, done);
  }

  override unsubscribe(topic: string, deliver: Deliver, done: () => void): void {
    const known = this.filters.get(topic);
    if (known && --known.count === 0) this.filters.delete(topic);
    this.wanted.clear();
    super.unsubscribe(topic, deliver, done);
  }
}
