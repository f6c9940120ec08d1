import type { EventEmitter } from 'node:events';
import type { Aedes, Client, PublishPacket } from 'aedes';

/** What aedes keeps of a client and its types leave out. Tests on the wire pin what each is used for. */
export interface AedesClient extends Client {
  /** The only place where a whole SUBSCRIBE packet, or a PUBACK, is seen. */
  readonly _parser: EventEmitter;
  /** It has sent its DISCONNECT. */
  readonly _disconnected: boolean;
  /** What is published where it ends without one; while it is let in, the other. */
  will: PublishPacket | null;
  _will: PublishPacket | null;
  /** The packet id of the next message that has none; 1 to 65,535. */
  _nextId: number;
  /** The subscriptions in effect, by filter, and how each delivers. */
  readonly subscriptions: Record<string, { readonly func: Parameters<Aedes['unsubscribe']>[1] } | undefined>;
  /** The highest number of a message that was forwarded, by broker id. */
  duplicates: object;
}
