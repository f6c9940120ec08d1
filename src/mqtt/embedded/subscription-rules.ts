import type { Aedes, Client, SubscribePacket, Subscription, UnsubscribePacket } from 'aedes';
import type { AccessRules } from './access-rules.js';
import type { Audit } from './audit.js';
import { type Connection, connectionOf } from './connection.js';

const MAX_PER_CLIENT = 50;
const MAX_PER_PACKET = 8;

/**
 * Decides on subscriptions, when their packet is parsed: aedes asks for each filter alone, stores all filters of a packet
 * once one is granted, and tells nobody how many there are. Refused filters get 0x80 [MQTT-3.9.3-2].
 */
export class SubscriptionRules {
  private readonly refused = new WeakSet<object>();

  constructor(
    private readonly rules: AccessRules,
    private readonly audit: Audit,
    /** A filter of a stored session is not granted any more. */
    private readonly onWithdrawn: (clientId: string, filter: string) => void,
  ) {}

  readonly isRefused = (subscription: object): boolean => this.refused.has(subscription);

  /** Marks the filters of a packet that are refused. */
  judge(connection: Connection, { subscriptions, messageId }: SubscribePacket): void {
    for (const [i, subscription] of subscriptions.entries()) {
      const filter = subscription.topic;
      const problem =
        messageId === 0
          ? 'packet id 0' // [MQTT-2.3.1-1]; the client is closed too
          : i >= MAX_PER_PACKET
            ? `more than ${MAX_PER_PACKET} filters in one packet`
            : !connection.filters.has(filter) && connection.filters.size >= MAX_PER_CLIENT
              ? `more than ${MAX_PER_CLIENT} subscriptions of one client`
              : this.rules.refuseSubscribe(filter, connection.rights);
      if (problem === null) {
        connection.filters.set(filter, subscription.qos);
        continue;
      }
      this.refuse(connection, subscription, problem);
    }
  }

  readonly authorizeSubscribe = (
    client: Client,
    subscription: Subscription,
    done: (error: Error | null, subscription?: Subscription | null) => void,
  ): void => {
    const connection = connectionOf(client);
    const { topic, qos } = subscription;
    if (this.refused.has(subscription) || !connection) return done(null, null);
    // A restored session brings filters that came in no packet of this connection, under the rights of an earlier one.
    const problem = this.rules.refuseSubscribe(topic, connection.rights);
    if (problem === null) {
      connection.filters.set(topic, qos);
      return done(null, subscription);
    }
    this.refuse(connection, subscription, problem);
    this.onWithdrawn(client.id, topic);
    done(null, null);
  };

  /**
   * Ends the subscriptions of an UNSUBSCRIBE when it is parsed. aedes forgets them only some turns later, and with them a new
   * subscription to the same filter that came right behind, as from Nest's ClientMqtt between two requests.
   */
  end({ client, filters }: Connection, { unsubscriptions }: UnsubscribePacket, broker: Aedes): void {
    const held = client.subscriptions;
    for (const topic of unsubscriptions) {
      filters.delete(topic);
      const subscription = held[topic];
      if (!subscription) continue;
      delete held[topic];
      broker.unsubscribe(topic, subscription.func, () => {});
    }
  }

  private refuse(connection: Connection, subscription: Subscription, problem: string): void {
    this.refused.add(subscription);
    this.audit.note('refused.subscribe', 'subscription refused', () => ({
      detail: problem,
      filter: subscription.topic.slice(0, 256),
      client: connection.client.id,
      address: connection.address,
    }));
  }
}
