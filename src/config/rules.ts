import { AccessConfig } from './access.config.js';
import { BrokerConfig } from './broker.config.js';
import type { ConfigProblem } from './config.error.js';
import { HttpConfig } from './http.config.js';
import { embeddedListenerProblems, pairProblems, portProblems } from './listener.rules.js';
import type { LoadedConfig } from './load-config.js';
import { isLocal, isLoopback } from './loopback.js';
import { MqttConfig } from './mqtt.config.js';
import { TlsConfig, WebSocketConfig } from './tls.config.js';
import { TopicConfig } from './topic.config.js';

const OPEN =
  'must be on loopback (127.0.0.1, ::1 or localhost) with ACCESS=open: nobody may be let in from a network unasked';
const ELSEWHERE = 'must be an address of this machine; to use a broker elsewhere set MQTT_URL';

/** Settings that Signalbox knows but cannot honour yet: refused, because ignoring one would be a lie. */
export const UNAVAILABLE: Readonly<Record<string, string>> = {};

/** Settings of parts that do not exist yet and whose absence changes nothing that does. Set, they are warned about. */
export const WITHOUT_EFFECT: readonly string[] = ['WEBHOOK_ALLOW', 'RETENTION_ROLLUPS'];

/** What is wrong with settings that could be read by themselves; `isWrong` tells of a variable that could not. */
export function crossProblems(get: LoadedConfig['get'], isWrong: (variable: string) => boolean): ConfigProblem[] {
  const http = get(HttpConfig);
  const mqtt = get(MqttConfig);
  const problems: ConfigProblem[] = [];
  const check = (variables: readonly string[], rule: () => readonly ConfigProblem[]): void => {
    if (!variables.some(isWrong)) problems.push(...rule());
  };
  const open = get(AccessConfig).access === 'open';
  check(['HTTP_HOST', 'ACCESS'], () =>
    !open || isLoopback(http.host) ? [] : [{ variable: 'HTTP_HOST', detail: OPEN }],
  );
  check(['MQTT_HOST'], () => (isLocal(mqtt.host) ? [] : [{ variable: 'MQTT_HOST', detail: ELSEWHERE }]));
  check(['MQTT_HOST', 'MQTT_URL', 'ACCESS'], () =>
    !open || get(BrokerConfig).url || !isLocal(mqtt.host) || isLoopback(mqtt.host)
      ? []
      : [{ variable: 'MQTT_HOST', detail: OPEN }],
  );
  const tls = get(TlsConfig);
  const webSocket = get(WebSocketConfig);
  check(['HTTP_PORT', 'MQTT_PORT', 'MQTT_TLS_PORT', 'MQTT_WS_PORT'], () =>
    portProblems({
      HTTP_PORT: http.port,
      MQTT_PORT: mqtt.port,
      MQTT_TLS_PORT: tls.mqttPort,
      MQTT_WS_PORT: webSocket.port,
    }),
  );
  check(['HTTP_TLS_CERT', 'HTTP_TLS_KEY'], () => pairProblems('HTTP', tls.httpCert, tls.httpKey));
  check(['MQTT_TLS_CERT', 'MQTT_TLS_KEY'], () => pairProblems('MQTT', tls.mqttCert, tls.mqttKey));
  check(
    ['MQTT_URL', 'MQTT_TLS_PORT', 'MQTT_TLS_CERT', 'MQTT_TLS_KEY', 'MQTT_TLS_CA', 'MQTT_WS_PORT', 'MQTT_WS_ORIGINS'],
    () => embeddedListenerProblems(tls, webSocket, get(BrokerConfig).url !== null),
  );
  check(['TOPIC_PREFIX', 'DEVICE_TOPICS'], () => insideNative(get(TopicConfig)));
  check(['MQTT_URL', 'MQTT_CA', 'MQTT_CERT', 'MQTT_KEY'], () => tlsProblems(get(BrokerConfig)));
  check(['MQTT_URL', 'MQTT_DYNSEC'], () => dynsecProblems(get(BrokerConfig)));
  return problems;
}

function tlsProblems({ url, ca, cert, key }: BrokerConfig): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  if (cert && !key) problems.push({ variable: 'MQTT_KEY', detail: 'is missing: MQTT_CERT needs its private key' });
  if (key && !cert) problems.push({ variable: 'MQTT_CERT', detail: 'is missing: MQTT_KEY needs its certificate' });
  if ((ca || cert || key) && !(url && ['mqtts:', 'wss:'].includes(url.protocol))) {
    problems.push({ variable: 'MQTT_URL', detail: 'must begin with mqtts:// or wss:// for certificates to be used' });
  }
  return problems;
}

function dynsecProblems({ url, dynsec }: BrokerConfig): ConfigProblem[] {
  if (dynsec !== 'on' || url) return [];
  return [{ variable: 'MQTT_DYNSEC', detail: 'needs MQTT_URL: the embedded broker asks the registry itself' }];
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
