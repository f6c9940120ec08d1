import type { AedesPublishPacket } from 'aedes';
import type { RetainedMessages } from './retained-messages.js';
import type { SessionLimits } from './session-limits.js';

/** What the sessions in memory ask others for. */
export interface SessionParts {
  readonly retained: RetainedMessages;
  /** True for a subscription that was refused: aedes stores all filters of a packet as soon as one is granted. */
  readonly isRefused: (subscription: object) => boolean;
  readonly onDropped: (why: 'offline_queue' | 'session') => void;
  /** True for what its publisher sends again itself, or not, when the client is back: it must not come from the queue as well. */
  readonly isOfTheMoment: (clientId: string, topic: string) => boolean;
  /** False for what is for another client alone. */
  readonly mayGet: (packet: AedesPublishPacket, clientId: string) => boolean;
  readonly limits?: SessionLimits;
}

/** That a client with a session is away. */
export interface Absence {
  /** Epoch milliseconds. */
  readonly since: number;
  /** Who the client was. */
  readonly owner: string;
}
