import { isIP } from 'node:net';
import type { ConfigProblem } from './config.error.js';
import type { HttpConfig } from './http.config.js';
import type { MqttConfig } from './mqtt.config.js';
import type { TopicConfig } from './topic.config.js';

const OPEN =
  'must be on loopback (127.0.0.1, ::1 or localhost): without access keys a listener on a network is refused';
const EXTERNAL = 'external brokers are not part of this version: leave it empty to use the embedded broker';
const TLS = 'TLS listeners are not part of this version: it runs on loopback only';
const KEYS = 'access keys are not part of this version: it runs on loopback only, in open mode';

/** Settings that Signalbox knows but cannot honour yet: refused, because ignoring one would be a lie. */
export const UNAVAILABLE: Readonly<Record<string, string>> = {
  MQTT_URL: EXTERNAL,
  MQTT_USERNAME: EXTERNAL,
  MQTT_PASSWORD: EXTERNAL,
  MQTT_PASSWORD_FILE: EXTERNAL,
  DATABASE_URL: 'PostgreSQL is not part of this version: leave it empty to use SQLite in DATA_DIR',
  DATABASE_URL_FILE: 'PostgreSQL is not part of this version: leave it empty to use SQLite in DATA_DIR',
  HTTP_TLS_CERT: TLS,
  HTTP_TLS_KEY: TLS,
  MQTT_TLS_PORT: TLS,
  MQTT_TLS_CERT: TLS,
  MQTT_TLS_KEY: TLS,
  MQTT_TLS_CA: TLS,
  MQTT_WS_PORT: 'MQTT over WebSocket is not part of this version',
  TRUST_PROXY: 'forwarding headers are refused in open mode, the only mode of this version',
  ADMIN_KEY: KEYS,
  ADMIN_KEY_FILE: KEYS,
};

/** Settings of parts that do not exist yet and whose absence changes nothing that does. Set, they are warned about. */
export const WITHOUT_EFFECT: readonly string[] = [
  'MQTT_CLIENT_ID',
  'MQTT_KEEPALIVE',
  'MQTT_CA',
  'MQTT_CERT',
  'MQTT_KEY',
  'MQTT_WS_ORIGINS',
  'MQTT_SHARE_GROUP',
  'MQTT_SEATS',
  'MQTT_SERVICES',
  'HTTP_KEY_RATE',
  'WEBHOOK_ALLOW',
  'RETENTION_ROLLUPS',
  'RETENTION_AUDIT',
];

/** True for an address or name that only this machine can reach. */
function isLoopback(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith('127.');
  return host === '::1' || host.toLowerCase() === 'localhost';
}

/** What is wrong with settings that could be read by themselves; `isWrong` tells of a variable that could not. */
export function crossProblems(
  http: HttpConfig,
  mqtt: MqttConfig,
  topics: TopicConfig,
  isWrong: (variable: string) => boolean,
): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const check = (variables: readonly string[], rule: () => readonly ConfigProblem[]): void => {
    if (!variables.some(isWrong)) problems.push(...rule());
  };
  check(['HTTP_HOST'], () => (isLoopback(http.host) ? [] : [{ variable: 'HTTP_HOST', detail: OPEN }]));
  check(['MQTT_HOST'], () =>
    isLoopback(mqtt.host) ? [] : [{ variable: 'MQTT_HOST', detail: `${OPEN}; to use a broker elsewhere set MQTT_URL` }],
  );
  check(['HTTP_PORT', 'MQTT_PORT'], () =>
    http.port !== 0 && http.port === mqtt.port
      ? [{ variable: 'MQTT_PORT', detail: 'is the same as HTTP_PORT; the two listeners need a port each' }]
      : [],
  );
  check(['TOPIC_PREFIX', 'DEVICE_TOPICS'], () => insideNative(topics));
  return problems;
}

function insideNative({ prefix, deviceTopics }: TopicConfig): ConfigProblem[] {
  return deviceTopics
    .flatMap(({ telemetry, command }) => (command ? [telemetry, command] : [telemetry]))
    .filter(({ filter }) => overlaps(`${prefix}/#`, filter))
    .map(({ template }) => ({
      variable: 'DEVICE_TOPICS',
      detail: `the template "${template}" lies inside ${prefix}/, the native topics (TOPIC_PREFIX)`,
    }));
}

/** True where some topic matches both filters; `native` ends in `#`. */
function overlaps(native: string, filter: string): boolean {
  const levels = filter.split('/');
  return native
    .split('/')
    .slice(0, -1)
    .every((level, i) => levels[i] === level || levels[i] === '+');
}
