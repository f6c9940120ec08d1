import type { AccessConfig } from './access.config.js';
import type { HttpConfig } from './http.config.js';
import { isLoopback } from './loopback.js';
import type { MqttConfig } from './mqtt.config.js';

/** What becomes of a device that shows itself for the first time. */
export type Registration = 'open' | 'approve' | 'closed';

/** What the settings of access come to, once it is known where the listeners are. */
export class AccessMode {
  constructor(
    /** False: open mode. Nobody logs in, and every listener is on loopback. */
    readonly required: boolean,
    readonly registration: Registration,
  ) {}

  /** `embedded`: the MQTT listeners are ours. */
  static of(access: AccessConfig, http: HttpConfig, mqtt: MqttConfig, embedded: boolean): AccessMode {
    const required = access.access === 'auto' ? !isLocal(http, mqtt, embedded) : access.access === 'required';
    const { registration } = access;
    return new AccessMode(required, registration === 'auto' ? (required ? 'closed' : 'open') : registration);
  }
}

function isLocal(http: HttpConfig, mqtt: MqttConfig, embedded: boolean): boolean {
  return isLoopback(http.host) && (!embedded || isLoopback(mqtt.host));
}
