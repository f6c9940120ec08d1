import type { ConnectPacket } from 'aedes';
import { isDeviceId, newId } from '../../common/ids.js';
import { filterProblem, topicProblem } from '../../common/topic.js';

const MIN_KEEPALIVE = 15;
const MAX_KEEPALIVE = 1_200;

/** Why a connection is refused, and the CONNACK return code that says so (MQTT 3.1.1, table 3.1). */
export interface ConnectRefusal {
  readonly returnCode: 1 | 2 | 5;
  readonly why: 'protocol' | 'client_id' | 'will';
  readonly detail: string;
}

/**
 * Who may connect, and what a client may publish and subscribe to. In open mode: any client with a lawful id, any topic that
 * does not start with `$`.
 */
export class AccessRules {
  /** Null where the client may connect. */
  refuseConnect({ protocolVersion, clientId, clean, will }: ConnectPacket): ConnectRefusal | null {
    if (protocolVersion === 5) {
      const detail =
        'this broker speaks MQTT 3.1 and 3.1.1: choose 3.1.1 in the client (protocol version 4); ' +
        'or set MQTT_URL to a broker elsewhere that speaks MQTT 5';
      return { returnCode: 1, why: 'protocol', detail };
    }
    if (clientId === '' ? !clean : !isDeviceId(clientId)) {
      const detail =
        clientId === ''
          ? 'an empty client id needs a clean session' // [MQTT-3.1.3-8]
          : 'the client id is not 1 to 128 letters, digits, dots, underscores, colons or hyphens';
      return { returnCode: 2, why: 'client_id', detail };
    }
    const problem = will
      ? will.qos === 0 || will.qos === 1 || will.qos === 2
        ? topicProblem(will.topic)
        : 'its QoS is 3'
      : null;
    return problem ? { returnCode: 5, why: 'will', detail: `the will is refused: ${problem}` } : null;
  }

  /** The id of a client that is let in; one without an id gets a random one [MQTT-3.1.3-6]. */
  clientId({ clientId }: ConnectPacket): string {
    return clientId === '' ? `auto-${newId()}` : clientId;
  }

  /** Why nothing may be published to `topic`, or null. */
  refusePublish(topic: string): string | null {
    return topicProblem(topic);
  }

  /** Why `filter` may not be subscribed to, or null. Shared subscriptions would be granted by aedes but never deliver. */
  refuseSubscribe(filter: string): string | null {
    if (filter.startsWith('$share/')) {
      return (
        'this broker has no shared subscriptions: subscribe to the filter behind the group name; ' +
        'or set MQTT_URL to a broker elsewhere that has them'
      );
    }
    return filter.startsWith('$') ? 'it starts with $, which is reserved for the broker' : filterProblem(filter);
  }
}

/** The keepalive in seconds that is kept to: 15 to 1,200, or 0 for a client that asked for none. */
export function clampKeepalive(seconds: number): number {
  return seconds === 0 ? 0 : Math.min(Math.max(seconds, MIN_KEEPALIVE), MAX_KEEPALIVE);
}
