import type { BrokerAccountsState } from '../access/broker-accounts.service.js';
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
  /** The logins of devices over MQTT. */
  readonly logins: {
    /** Who keeps them: we, the plugin of an external broker that we keep equal to the registry, or the broker's operator. */
    readonly kept: 'signalbox' | 'dynamic-security' | 'broker';
    /** The credential before stays valid for a while after a new one was issued. */
    readonly overlap: boolean | null;
    /** Of the devices whose login the plugin should have; null where it has none to keep, or another replica looks after them. */
    readonly needCredential: number | null;
    readonly taken: number | null;
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

export interface CapabilitySettings {
  readonly answersServices: boolean;
  readonly prefix: string;
  /** Null where the broker keeps no accounts for us. */
  readonly accounts: BrokerAccountsState | null;
}

/** Puts the capabilities of the link and the database into the words of the API. An external broker's PUBACK is its own promise. */
export function capabilitiesOf(
  link: LinkCapabilities,
  database: DatabaseCapabilities,
  { answersServices, prefix, accounts }: CapabilitySettings,
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
    logins: loginsOf(link, accounts),
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

function loginsOf({ kind }: LinkCapabilities, accounts: BrokerAccountsState | null): Capabilities['logins'] {
  if (accounts) return { kept: 'dynamic-security', overlap: false, ...accounts };
  const none = { needCredential: null, taken: null };
  return kind === 'embedded'
    ? { kept: 'signalbox', overlap: true, ...none }
    : { kept: 'broker', overlap: null, ...none };
}
