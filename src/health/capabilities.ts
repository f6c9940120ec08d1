import type { LinkCapabilities } from '../mqtt/link.js';
import type { DatabaseCapabilities } from '../storage/database.js';

/** What an acknowledgement means, and what it survives: a crash of Signalbox, or a loss of power too. Null where only the broker's operator knows. */
interface Acknowledgement {
  readonly means: LinkCapabilities['acknowledgement'];
  readonly survives: DatabaseCapabilities['commitSurvives'] | null;
}

/** What the present broker and database promise. Null where only the operator of the broker knows. */
export interface Capabilities {
  readonly mqtt: {
    readonly broker: LinkCapabilities['kind'];
    /** Versions of MQTT that devices may speak. */
    readonly versions: LinkCapabilities['mqttVersions'];
    /** The version that we speak with an external broker; null where it is away, or embedded. */
    readonly protocol: LinkCapabilities['protocol'];
    /** Requests of other services are answered. */
    readonly services: boolean;
  };
  readonly database: {
    readonly kind: DatabaseCapabilities['kind'];
    readonly version: string;
    /** Several replicas may run on it. */
    readonly replicas: boolean;
  };
  readonly commands: {
    /** A command can be said to be DELIVERED. */
    readonly delivered: boolean;
  };
  readonly acknowledgement: {
    /** PUBACK and PUBREC, as the device sees them. */
    readonly publish: Acknowledgement;
    /** A 2xx, and the answer to a request of another service. */
    readonly request: Acknowledgement;
    /** The answer to a message that asks with `"ack": true`, and where it goes. */
    readonly endToEnd: Acknowledgement & { readonly topic: string };
  };
  /** Who sends again what was not committed. */
  readonly redelivery: LinkCapabilities['redelivery'];
  readonly survivesRestart: {
    readonly retained: boolean | null;
    readonly sessions: boolean | null;
  };
}

/** Puts the capabilities of the link and the database into the words of the API. An external broker's PUBACK is its own promise. */
export function capabilitiesOf(
  link: LinkCapabilities,
  database: DatabaseCapabilities,
  answersServices: boolean,
  prefix: string,
): Capabilities {
  const committed = { means: 'committed', survives: database.commitSurvives } as const;
  return {
    mqtt: {
      broker: link.kind,
      versions: link.mqttVersions,
      protocol: link.protocol,
      services: answersServices,
    },
    database: { kind: database.kind, version: database.version, replicas: database.shared && link.kind === 'external' },
    commands: { delivered: link.delivered },
    acknowledgement: {
      publish: link.acknowledgement === 'committed' ? committed : { means: link.acknowledgement, survives: null },
      request: committed,
      endToEnd: { topic: `${prefix}/{deviceId}/down/acks`, ...committed },
    },
    redelivery: link.redelivery,
    survivesRestart: { retained: link.retainedSurviveRestart, sessions: link.sessionsSurviveRestart },
  };
}
