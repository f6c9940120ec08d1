import type { Attendance, AttendanceChange } from './attendance.js';
import type { InboundMessage, OutboundMessage } from './message.js';

/** An inbound message that waits for its verdict. Exactly one of the two is called, once. */
export interface Delivery {
  readonly message: InboundMessage;
  /**
   * True while the verdict may come as late as it will: after an error that can pass, the handlers are asked again until then.
   * False or missing where it must be told at the first failure, because the sender is gone, a caller wants to hear it now, or
   * it is the broker that sends again.
   */
  readonly mayWait?: boolean;
  /** All handlers are done and what they stored is committed: PUBACK / PUBREC may leave. */
  ack(): void;
  /** Not committed, and not tried again: the connection is dropped without an acknowledgement, so that the sender sends again. */
  fail(error: Error): void;
}

export type LinkStatus = 'starting' | 'up' | 'down' | 'stopped';

/** What is counted on a link since the start, by name, such as `refused.topic`. */
export type LinkCounters = Readonly<Record<string, number>>;

/** What the present broker promises (GET /v1/capabilities); null where only its operator knows. */
export interface LinkCapabilities {
  readonly kind: 'embedded' | 'external';
  /** Protocol versions that devices may speak. */
  readonly mqttVersions: readonly ('3.1' | '3.1.1' | '5')[] | null;
  /** The version that we speak with an external broker; null while it is away, and where the broker is embedded. */
  readonly protocol: '3.1.1' | '5' | null;
  /** Commands can reach the state DELIVERED: the broker tells us of the device's acknowledgement. */
  readonly delivered: boolean;
  /** What the acknowledgement of a device's publish means: stored in the database, or taken over by the broker. */
  readonly acknowledgement: 'committed' | 'accepted-by-broker';
  /** Who sends again what was not committed. */
  readonly redelivery: 'device' | 'broker';
  /** Whether retained messages and the sessions of devices survive a restart of the broker. */
  readonly retainedSurviveRestart: boolean | null;
  readonly sessionsSurviveRestart: boolean | null;
}

/** Which devices are there, and listen for their commands; only a broker in this process can tell. */
export interface Listeners {
  /** True while a live connection has a granted subscription that names the device literally and covers all of its `down/commands/`. */
  has(deviceId: string): boolean;
  /** True while a client is connected under this id. */
  isConnected(clientId: string): boolean;
  /** Calls back each time that a connection's first such subscription has taken effect. Returns what ends it. */
  onListening(listener: (deviceId: string) => void): () => void;
  /** How the device is there, or null where nobody is connected under its id or listens for it. */
  attendanceOf(deviceId: string): Attendance | null;
  /** Calls back each time that a device comes or goes, but not where one connection takes over from another. The listener must not throw. Returns what ends it. */
  onAttendance(listener: (change: AttendanceChange) => void): () => void;
}

/** The one thing the transport knows of a broker. Two links implement it: the embedded broker and an external one. */
export abstract class MqttLink {
  abstract readonly status: LinkStatus;
  abstract readonly counters: LinkCounters;
  abstract readonly capabilities: LinkCapabilities;
  /** How many clients are connected, or null where the broker does not tell. */
  abstract readonly clients: number | null;
  /** Where clients reach the broker, such as `mqtt://127.0.0.1:1883`; known once started. */
  abstract readonly urls: readonly string[];
  /** Who is there and listens for commands, or null where the broker does not tell. */
  abstract readonly listeners: Listeners | null;
  /** Opens the link. Every message that matches one of `filters` is handed to `deliver`. Rejects with a message that says what to do. */
  abstract start(filters: readonly string[], deliver: (delivery: Delivery) => void): Promise<void>;
  /** Resolves once the broker accepted the message (and, where it is embedded and a filter of ours matches, our own handlers committed it). */
  abstract publish(message: OutboundMessage): Promise<void>;
  /** Takes nothing more in; what is in flight may still finish and be acknowledged. */
  abstract stopIntake(): Promise<void>;
  /** Closes what is still open. Resolves when every socket is gone. */
  abstract close(): Promise<void>;
}
