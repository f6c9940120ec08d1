import type { AedesPublishPacket, PubrelPacket, Subscription } from 'aedes';

/** What a session owes its client: a message, or the release of one that was received (QoS 2). */
export type Outgoing = AedesPublishPacket | PubrelPacket;

/** A subscription that a client has. */
export type Filter = Pick<Subscription, 'topic' | 'qos'>;

/** What is kept of one client id. */
export interface Session {
  readonly filters: Map<string, Filter>;
  /** By broker counter, in order of publishing. */
  readonly outgoing: Map<number, Outgoing>;
  readonly counterOfId: Map<number, number>;
  bytes: number;
}

/** A session in which nothing has happened yet. */
export function newSession(): Session {
  return { filters: new Map(), outgoing: new Map(), counterOfId: new Map(), bytes: 0 };
}

/** The bytes that a packet counts in the bounds. */
export function sizeOf(packet: Outgoing | undefined): number {
  return packet?.cmd === 'publish' ? Buffer.byteLength(packet.topic) + packet.payload.length : 0;
}
