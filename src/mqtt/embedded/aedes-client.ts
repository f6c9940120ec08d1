import type { EventEmitter } from 'node:events';
import type { Aedes, Client } from 'aedes';

/** What aedes keeps of a client and its types leave out. Tests on the wire pin what each is used for. */
export interface AedesClient extends Client {
  /** The only place where a whole SUBSCRIBE packet, or a PUBACK, is seen. */
  readonly _parser: EventEmitter;
  /** It has sent its DISCONNECT. */
  readonly _disconnected: boolean;
  /** The packet id of the next message that has none; 1 to 65,535. */
  _nextId: number;
  /** The subscriptions in effect, by filter, and how each delivers. */
  readonly subscriptions: Record<string, { readonly func: Parameters<Aedes['unsubscribe']>[1] } | undefined>;
  /** The highest number of a message that was forwarded, by broker id. */
  duplicates: object;
}
