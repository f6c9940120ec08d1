import type { AedesPublishPacket, Client } from 'aedes';
import type { Addressees } from './addressees.js';
import type { Audit } from './audit.js';
import { type Connection, connectionOf } from './connection.js';
import { takePacketId } from './packet-ids.js';
import type { Receipts } from './receipts.js';
import type { SessionStore } from './session.store.js';

/** Bytes that may wait for a subscriber that reads slowly. */
const MAX_UNREAD_BYTES = 1_048_576;

export interface ForwardingParts {
  readonly audit: Audit;
  readonly receipts: Receipts;
  readonly sessions: SessionStore;
  readonly addressees: Addressees;
}

/** Decides on each message on its way to a subscriber, from aedes' `authorizeForward`. */
export class Forwarding {
  constructor(private readonly parts: ForwardingParts) {}

  /** A subscriber that does not keep up loses QoS 0 messages; where there is a promise to keep, its connection. */
  readonly authorizeForward = (client: Client, packet: AedesPublishPacket): AedesPublishPacket | null => {
    const { audit } = this.parts;
    const connection = connectionOf(client);
    if (!connection || !this.mayGet(connection, packet) || this.isDouble(connection, packet)) return null;
    connection.guard.allowance.expect(packet.qos);
    // aedes lowers the QoS to that of the subscription only for filters without wildcards [MQTT-3.8.4-6].
    if (packet.qos === 2 && !connection.grantsQos2(packet.topic)) packet.qos = 1;
    if (client.conn.destroyed) return packet;
    if (client.conn.writableLength <= MAX_UNREAD_BYTES) return this.numbered(connection, packet);
    if (packet.qos === 0) {
      audit.count('dropped.slow_reader');
      return null;
    }
    audit.note('closed.slow_reader', 'subscriber closed: it reads too slowly', () => ({ client: client.id }));
    client.conn.destroy(new Error('slow reader'));
    // Given back, so that it stays queued in a stored session.
    return packet;
  };

  private mayGet({ client, rights }: Connection, packet: AedesPublishPacket): boolean {
    // What comes from the queue of a stored session has its id already; it was queued under the rights of an earlier login.
    if (packet.messageId !== undefined && !rights?.mayReceive(packet.topic)) return false;
    return this.parts.addressees.mayGet(packet, client.id);
  }

  /** aedes calls for each subscription that matches, one right after the other. What comes from a queue has its id already. */
  private isDouble(connection: Connection, { brokerCounter, messageId }: AedesPublishPacket): boolean {
    if (messageId !== undefined) return false;
    if (connection.lastForwarded === brokerCounter) return true;
    connection.lastForwarded = brokerCounter;
    return false;
  }

  /** With the packet id that it goes out under, which aedes ignores where it sends with QoS 0. */
  private numbered(connection: Connection, packet: AedesPublishPacket): AedesPublishPacket {
    const { client } = connection;
    if (packet.qos === 0 || client.closed) return packet;
    const { receipts, sessions } = this.parts;
    packet.messageId ??= takePacketId(
      client,
      (id) => receipts.isAwaited(client, id) || sessions.isInFlight(client.id, id),
    );
    const isDevice = connection.principal.kind !== 'key';
    if (packet.qos === 1 && isDevice && receipts.isWanted(packet, client.id) && connection.leastQos(packet.topic) > 0) {
      receipts.sent(packet, client, packet.messageId);
    }
    return packet;
  }
}
