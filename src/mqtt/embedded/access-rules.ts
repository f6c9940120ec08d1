import type { ConnectPacket } from 'aedes';
import { isDeviceId, newId } from '../../common/ids.js';
import { filterProblem, topicProblem } from '../../common/topic.js';
import type { ClientRights } from './client-rights.js';

const MIN_KEEPALIVE = 15;
const MAX_KEEPALIVE = 1_200;

/** Why a connection is refused, and the CONNACK return code that says so (MQTT 3.1.1, table 3.1). */
export interface ConnectRefusal {
  readonly returnCode: 1 | 2 | 3 | 5;
  readonly why: 'protocol' | 'client_id' | 'will' | 'login' | 'flapping';
  readonly detail: string;
}

/** What lawful CONNECT packets, topics and filters are, and which of these a client may use. */
export class AccessRules {
  constructor(
    /** False: open mode. */
    private readonly loginRequired: boolean,
  ) {}

  /** Why the client may not connect, whoever it is; null where that is to be seen. */
  refuseConnect({ protocolVersion, clientId, clean, will }: ConnectPacket): ConnectRefusal | null {
    if (protocolVersion === 5) {
      const detail =
        'this broker speaks MQTT 3.1 and 3.1.1: choose 3.1.1 in the client (protocol version 4); ' +
        'or set MQTT_URL to a broker elsewhere that speaks MQTT 5';
      return { returnCode: 1, why: 'protocol', detail };
    }
    const detail = this.clientIdProblem(clientId, clean);
    if (detail !== null) return { returnCode: 2, why: 'client_id', detail };
    if (!will) return null;
    const isLawfulQos = will.qos === 0 || will.qos === 1 || will.qos === 2;
    const problem = isLawfulQos ? topicProblem(will.topic) : 'its QoS is 3';
    return problem === null ? null : refusedWill(problem);
  }

  /** Why a client with these rights may not connect with that will, or null. */
  refuseWill(will: ConnectPacket['will'], rights: ClientRights): ConnectRefusal | null {
    return !will || rights.mayLeaveWill(will.topic) ? null : refusedWill('its topic is not one of this client');
  }

  /** The id of a client that is let in; one without an id gets a random one [MQTT-3.1.3-6]. */
  clientId({ clientId }: ConnectPacket): string {
    return clientId === '' ? `auto-${newId()}` : clientId;
  }

  /** Why nothing may be published to `topic` by anybody, or null. */
  refusePublish(topic: string): string | null {
    return topicProblem(topic);
  }

  /** Why a client with these rights may not subscribe to `filter`, or null. Shared subscriptions would be granted by aedes but never deliver. */
  refuseSubscribe(filter: string, rights: ClientRights | null): string | null {
    if (filter.startsWith('$share/')) {
      return (
        'this broker has no shared subscriptions: subscribe to the filter behind the group name; ' +
        'or set MQTT_URL to a broker elsewhere that has them'
      );
    }
    if (filter.startsWith('$')) return 'it starts with $, which is reserved for the broker';
    return filterProblem(filter) ?? (rights?.maySubscribe(filter) ? null : 'its topics are not those of this client');
  }

  private clientIdProblem(clientId: string, clean = false): string | null {
    if (clientId === '') {
      if (this.loginRequired) return 'an empty client id where clients log in: it is part of who they are';
      return clean ? null : 'an empty client id needs a clean session'; // [MQTT-3.1.3-8]
    }
    return isDeviceId(clientId)
      ? null
      : 'the client id is not 1 to 128 letters, digits, dots, underscores, colons or hyphens';
  }
}

function refusedWill(problem: string): ConnectRefusal {
  return { returnCode: 5, why: 'will', detail: `the will is refused: ${problem}` };
}

/** The keepalive in seconds that is kept to: 15 to 1,200, or 0 for a client that asked for none. */
export function clampKeepalive(seconds: number): number {
  return seconds === 0 ? 0 : Math.min(Math.max(seconds, MIN_KEEPALIVE), MAX_KEEPALIVE);
}
