import type { Principal } from '../common/access.js';

/** A message as it came in from a client of the broker, or from our own `publish`. */
export interface InboundMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
  /** True where the publisher set RETAIN; a broker's replay of a retained message has `replayed` instead. */
  readonly retain: boolean;
  readonly replayed: boolean;
  /** The publishing client, or null for our own publishes and where the broker does not tell. */
  readonly clientId: string | null;
  /** Who the publishing client is; BROKER where a broker elsewhere let it publish, or it is our own. */
  readonly sender: Principal;
  /** Epoch milliseconds. */
  readonly receivedAt: number;
}

/** What a handler is given: the message, and the levels that its topic template named (`{deviceId}` -> `params.deviceId`). */
export interface TopicMessage extends InboundMessage {
  readonly params: Readonly<Record<string, string>>;
  /** Numbers the messages of this process from 1; the same when a handler gets a message again. */
  readonly arrival: number;
}

/** What an MQTT 5 publish says besides its payload [MQTT 5, 3.3.2.3]; left out where the broker speaks 3.1.1. */
export interface PublishProperties {
  readonly contentType: string;
  readonly responseTopic: string;
  readonly correlationData: string;
  /** Seconds after which the broker drops it undelivered; it goes out as the whole seconds in it, and at least 1. */
  readonly messageExpiry: number;
}

export interface OutboundMessage {
  readonly topic: string;
  readonly payload: Buffer | string;
  readonly qos: 0 | 1 | 2;
  readonly retain?: boolean;
  readonly properties?: PublishProperties;
  /** The client id of the only subscriber that may get it, where clients log in to a broker in this process; else all do. */
  readonly to?: string;
  /**
   * Called at most once, when the client with that id has acknowledged this very publish; only where the broker can tell
   * (LinkCapabilities.delivered). May come before `publish` resolves.
   */
  readonly receipt?: { readonly clientId: string; onAcknowledged(): void };
}
