import { Aedes, type AedesOptions, type Client, type PublishPacket } from 'aedes';
import { TopicCache } from '../topic-cache.js';
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
  readonly clients: Readonly<Record<string, Client>>;
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

  constructor(
    private readonly sessions: SessionStore,
    options: AedesOptions,
  ) {
    super({ ...options, persistence: sessions });
  }

  /** Resolves when nobody else has `id`. To be called before the client is let in. */
  takeId(id: string, client: Client): Promise<void> {
    // Later than what aedes does at the end of the connection.
    client.conn.once('close', () => {
      if ((this as unknown as Registry).clients[id] !== client) this.ids.leave(client);
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
    const { topic } = packet;
    // aedes tells other brokers of a cluster about itself; there are none.
    if (topic.startsWith('$')) return callback();
    if (!packet.retain && !this.wanted.get(topic)) return callback();
    (super.publish as unknown as PublishOf).call(this, packet, client, nothing);
    callback();
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
