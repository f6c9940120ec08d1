import type { Client, PublishPacket } from 'aedes';
import { matchesFilter } from '../../common/topic.js';
import { Holding } from '../holding.js';
import { BROKER, type Principal } from '../../common/access.js';
import type { Delivery } from '../link.js';
import type { InboundMessage } from '../message.js';
import { MqttErrors } from '../mqtt.errors.js';
import { TopicCache } from '../topic-cache.js';
import type { AccessRules } from './access-rules.js';
import type { Audit } from './audit.js';
import { type Connection, connectionOf, type Slot } from './connection.js';
import { PUBLISH_COST } from './in-flight.js';
import type { RetainedMessages } from './retained-messages.js';
import type { SessionStore } from './session.store.js';

/** QoS 2 publishes of one client that may wait for their PUBREL. */
export const MAX_HALF_OPEN = 1_000;

/**
 * Bytes of the publishes that no connection counts: wills, and what we publish ourselves. Beyond them they are refused, for
 * while the database is away they would gather without end.
 */
const MAX_UNCOUNTED_BYTES = 32 * 1_048_576;

type Done = (error?: Error | null) => void;

interface Verdict {
  readonly problem: string | null;
  /** One of our handlers wants it. */
  readonly ours: boolean;
}

export interface IntakeParts {
  readonly rules: AccessRules;
  readonly retained: RetainedMessages;
  readonly sessions: SessionStore;
  readonly audit: Audit;
  /** Sends a will to its subscribers. */
  readonly publishWill: (will: PublishPacket) => void;
}

/** What all publishes share. */
interface Shared extends IntakeParts {
  /** Retained messages that the store could not take yet. */
  readonly holding: Holding;
}

/**
 * Takes publishes in from aedes' `authorizePublish`, the only hook before the acknowledgement, and calls back when our
 * handlers (and the retained store) are done: in order of arrival per connection, never on one that is gone.
 */
export class Intake {
  private filters: readonly string[] = [];
  private deliver: (delivery: Delivery) => void = () => {};
  private stopped = false;
  private readonly parts: Shared;
  private uncounted = 0;
  private readonly verdicts = new TopicCache<Verdict>((topic) => ({
    problem: this.parts.rules.refusePublish(topic),
    ours: this.filters.some((filter) => matchesFilter(filter, topic)),
  }));

  constructor(parts: IntakeParts) {
    this.parts = { ...parts, holding: new Holding() };
  }

  start(filters: readonly string[], deliver: (delivery: Delivery) => void): void {
    this.filters = filters;
    this.deliver = deliver;
  }

  stop(): void {
    this.stopped = true;
    this.parts.holding.stop();
  }

  readonly authorizePublish = (client: Client | null, packet: PublishPacket, done: Done): void => {
    // aedes gives a will as it stood in the CONNECT, which has no command.
    const isWill = (packet.cmd as string | undefined) !== 'publish';
    // A stop says nothing about the devices, and what it finds still unread gets no answer, so that it is sent again.
    if (this.stopped) return isWill ? done(new Error('the broker is stopping')) : undefined;
    const connection = client && connectionOf(client);
    if (!connection) return done(new Error('nobody is known to publish this'));
    if (isWill) {
      this.takeWill(connection, packet);
      return done(new Error('it is published when it is stored'));
    }
    const publish = new Publish(this.parts, connection, connection, packet, done, true);
    connection.add(publish);
    if (connection.rights?.mayPublish(packet.topic)) this.pass(publish, true);
    else {
      this.parts.audit.received++;
      publish.refuse('topic', this.parts.rules.refusePublish(packet.topic) ?? 'it is not a topic of this client');
    }
  };

  /** Takes the will of a connection that has ended. It may wait for the database for long, and must not keep all that aedes knows of its client so long. */
  takeWill(connection: Connection, packet: PublishPacket): void {
    const will: PublishPacket = { ...packet, cmd: 'publish', dup: false };
    const sender = { client: { id: connection.client.id }, principal: connection.principal };
    const told = this.count(will, (error) => {
      if (!error) this.parts.publishWill(will);
    });
    if (told) return this.pass(new Publish(this.parts, null, sender, will, told, true), true);
    this.parts.audit.note('dropped.will', 'will dropped: too much waits for the database', () => ({
      client: sender.client.id,
    }));
  }

  /** Hands a message of our own to our handlers; resolves when they and the retained store are done. */
  async offer(packet: PublishPacket, toHandlers: boolean): Promise<void> {
    const { problem } = this.verdicts.get(packet.topic);
    if (problem !== null) throw MqttErrors.PUBLISH_REFUSED(`Nothing can be published to this topic: ${problem}.`);
    await new Promise<void>((resolve, reject) => {
      const told = this.count(packet, (error) => (error ? reject(error) : resolve()));
      if (told) this.pass(new Publish(this.parts, null, null, packet, told, false), toHandlers);
      else reject(MqttErrors.BROKER_UNAVAILABLE('Too many messages wait already.', { retryAfter: 2 }));
    });
  }

  private pass(publish: Publish, toHandlers: boolean): void {
    this.parts.audit.received++;
    const { problem, ours } = this.verdicts.get(publish.message.topic);
    if (problem !== null) publish.refuse('topic', problem);
    else if (publish.mayPass()) {
      if (ours && toHandlers) this.deliver(publish);
      else publish.ack();
    }
  }

  /** Counts a publish without a connection until its `done`, which is returned; null where there is no room for it. */
  private count({ topic, payload }: PublishPacket, done: Done): Done | null {
    const bytes = topic.length + payload.length + PUBLISH_COST;
    if (this.uncounted + bytes > MAX_UNCOUNTED_BYTES) return null;
    this.uncounted += bytes;
    return (error) => {
      this.uncounted -= bytes;
      done(error);
    };
  }
}

/** Who publishes. */
interface Sender {
  readonly client: { readonly id: string };
  readonly principal: Principal;
}

/** One publish on its way through our handlers. */
class Publish implements Delivery, Slot {
  readonly message: InboundMessage;
  settled = false;
  private over = false;
  private failed = false;
  private readonly id: number | null;

  constructor(
    private readonly parts: Shared,
    /** Where its acknowledgement goes. */
    private readonly connection: Connection | null,
    /** Null: ourselves. */
    sender: Sender | null,
    private readonly packet: PublishPacket,
    private readonly done: Done,
    /** Nobody minds when the verdict comes late, as long as the client is there. */
    private readonly isPatient: boolean,
  ) {
    this.id = connection && packet.qos > 0 ? (packet.messageId ?? 0) : null;
    this.message = {
      topic: packet.topic,
      payload: packet.payload as Buffer,
      qos: packet.qos,
      retain: packet.retain,
      replayed: false,
      clientId: sender?.client.id ?? null,
      sender: sender?.principal ?? BROKER,
      receivedAt: Date.now(),
    };
  }

  get bytes(): number {
    return this.packet.length ?? 0;
  }

  /** False where the publish is refused, or is a double that must not be handled again; then it is settled already. */
  mayPass(): boolean {
    const { connection, packet, id } = this;
    if (id === 0) return this.refuse('packet_id', 'packet id 0'); // [MQTT-2.3.1-1]
    if (connection && id !== null && packet.qos === 2) {
      const { halfOpen } = this.parts.sessions;
      if (connection.qos2InFlight.has(id) || halfOpen.has(connection.client.id, id)) {
        // aedes finds it stored by then, and only sends PUBREC.
        this.parts.audit.count('doubled');
        this.settle();
        return false;
      }
      if (halfOpen.count(connection.client.id) + connection.qos2InFlight.size >= MAX_HALF_OPEN)
        return this.refuse('half_open', `more than ${MAX_HALF_OPEN} QoS 2 publishes without PUBREL`);
      connection.qos2InFlight.add(id);
    }
    if (packet.retain) {
      const problem = this.parts.retained.admit(this.message, this.message.clientId);
      if (problem !== null) return this.refuse('retained', problem);
    }
    return true;
  }

  get mayWait(): boolean {
    return this.isPatient && !this.failed && this.connection?.client.closed !== true;
  }

  ack(): void {
    if (this.over) return;
    this.over = true;
    if (!this.packet.retain) return this.settle();
    const { retained, holding } = this.parts;
    const kept = holding.through(
      () => retained.commit(this.message),
      () => this.mayWait,
    );
    kept.then(
      () => this.settle(),
      (error: unknown) => this.drop(error instanceof Error ? error : new Error(String(error))),
    );
  }

  fail(error: Error): void {
    if (this.over) return;
    this.over = true;
    this.drop(error);
  }

  refuse(why: 'topic' | 'packet_id' | 'retained' | 'half_open', detail: string): false {
    this.over = true;
    this.parts.audit.note(`refused.${why}`, 'publish refused, client closed', () => ({
      detail,
      topic: this.message.topic.slice(0, 256),
      client: this.message.clientId,
      address: this.connection?.address,
    }));
    this.end(MqttErrors.PUBLISH_REFUSED(`The broker refuses this message: ${detail}.`));
    return false;
  }

  release(): void {
    const { connection } = this;
    if (connection && this.packet.qos === 2) connection.qos2InFlight.delete(this.id!);
    if (this.failed) return;
    // An acknowledgement on a connection that is gone means nothing; a QoS 0 message still goes to its subscribers.
    if (connection?.client.closed && this.packet.qos > 0) return;
    this.parts.audit.acked++;
    this.done(null);
  }

  private settle(): void {
    this.settled = true;
    if (this.connection) this.connection.release();
    else this.release();
  }

  private drop(error: Error): void {
    this.parts.audit.failed++;
    // It was we who could not, and the client does well to connect again.
    if (this.connection) this.connection.isBlameless = true;
    if (this.packet.retain) this.parts.retained.withdraw(this.message);
    this.end(error);
  }

  /** aedes closes the connection at an error, without an acknowledgement. */
  private end(error: Error): void {
    this.failed = true;
    this.done(error);
    this.settled = true;
    this.connection?.release();
  }
}
