/** Where a device finds this host, and as whom it logs in. */
export interface ConnectOptions {
  readonly deviceId: string;
  /** First levels of its topics. */
  readonly prefix: string;
  /** Such as `http://localhost:3000`. */
  readonly http: string;
  /** All listeners for MQTT, such as `mqtt://localhost:1883`. */
  readonly mqtt: readonly string[];
  /** False: in open mode, where nobody logs in. */
  readonly needsLogin: boolean;
}

/** How a device gets its first reading in. In each snippet `<credential>` stands for the secret, which is never told again. */
export interface ConnectGuide {
  readonly deviceId: string;
  readonly http: string;
  readonly mqtt: readonly string[];
  readonly needsLogin: boolean;
  readonly topic: string;
  readonly snippets: {
    readonly mosquitto_pub: string;
    readonly curl: string;
    readonly python: string;
    readonly arduino: string;
  };
}

/** What the snippets have in the place of the credential. */
const CREDENTIAL = '<credential>';

const READING = '{"temperature": 21.5}';
const WILDCARDS = new Set(['0.0.0.0', '[::]']);
const HOST = /^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?$/;

/** The name in a Host header (RFC 9110, 7.2), without the port; null for what no host is called, and no snippet may hold. */
export function hostNameOf(host: string | undefined): string | null {
  return HOST.exec(host ?? '')?.[1] ?? null;
}

/** A listener's URL as others reach it: one that listens on every address is reached by the name that the caller used. */
export function reachableUrl(listener: string, hostName: string): string {
  const { protocol, hostname, port, pathname } = new URL(listener);
  const name = WILDCARDS.has(hostname) ? hostName : hostname;
  return `${protocol}//${name}${port === '' ? '' : `:${port}`}${pathname === '/' ? '' : pathname}`;
}

/** Snippets for the device to be pasted as they are. They use TLS where there is a listener for it. */
export function connectGuide(options: ConnectOptions): ConnectGuide {
  const { deviceId, prefix, http, mqtt, needsLogin } = options;
  const topic = `${prefix}/${deviceId}/up/telemetry`;
  const broker = brokerIn(mqtt);
  return {
    deviceId,
    http,
    mqtt,
    needsLogin,
    topic,
    snippets: {
      mosquitto_pub: mosquittoPub(deviceId, topic, broker, needsLogin),
      curl: curl(deviceId, http, needsLogin),
      python: python(deviceId, topic, broker, needsLogin),
      arduino: arduino(deviceId, topic, broker, needsLogin),
    },
  };
}

interface Broker {
  readonly host: string;
  readonly port: number;
  readonly isSecure: boolean;
}

/** These clients do not speak WebSocket. */
function brokerIn(urls: readonly string[]): Broker {
  const parsed = urls.map((url) => new URL(url));
  const best =
    parsed.find(({ protocol }) => protocol === 'mqtts:') ??
    parsed.find(({ protocol }) => protocol === 'mqtt:') ??
    parsed[0] ??
    new URL('mqtt://127.0.0.1');
  const isSecure = best.protocol === 'mqtts:' || best.protocol === 'wss:';
  const port = best.port === '' ? (isSecure ? 8883 : 1883) : Number(best.port);
  return { host: best.hostname.replaceAll(/[[\]]/g, ''), port, isSecure };
}

function mosquittoPub(deviceId: string, topic: string, broker: Broker, needsLogin: boolean): string {
  const { host, port, isSecure } = broker;
  const words = ['mosquitto_pub', `-h ${quote(host)} -p ${port}`];
  if (isSecure) words.push('--cafile ca.pem');
  words.push(`-i ${quote(deviceId)}`);
  if (needsLogin) words.push(`-u ${quote(deviceId)} -P '${CREDENTIAL}'`);
  words.push(`-q 1 -t ${quote(topic)} -m '${READING}'`);
  return words.join(' ');
}

/** A device says who it is in open mode too; there any password will do. */
function curl(deviceId: string, http: string, needsLogin: boolean): string {
  const login = needsLogin ? `'${deviceId}:${CREDENTIAL}'` : quote(`${deviceId}:`);
  return `curl ${quote(`${http}/v1/device/telemetry`)} -u ${login} -H 'Content-Type: application/json' -d '${READING}'`;
}

function python(deviceId: string, topic: string, { host, port, isSecure }: Broker, needsLogin: boolean): string {
  const login = `{"username": ${text(deviceId)}, "password": "${CREDENTIAL}"}`;
  return [
    'from paho.mqtt import publish',
    '',
    'publish.single(',
    `    ${text(topic)},`,
    `    '${READING}',`,
    '    qos=1,',
    `    hostname=${text(host)},`,
    `    port=${port},`,
    `    client_id=${text(deviceId)},`,
    ...(needsLogin ? [`    auth=${login},`] : []),
    ...(isSecure ? ['    tls={"ca_certs": "ca.pem"},'] : []),
    ')',
    '',
  ].join('\n');
}

function arduino(deviceId: string, topic: string, { host, port, isSecure }: Broker, needsLogin: boolean): string {
  return [
    '// An ESP32 with the library espMqttClient; examples/esp32 has a whole device.',
    '#include <WiFi.h>',
    '#include <espMqttClient.h>',
    '',
    `espMqttClient${isSecure ? 'Secure' : ''} mqtt;`,
    '',
    'void setup() {',
    '  WiFi.begin("<network>", "<password>");',
    '  while (WiFi.status() != WL_CONNECTED) delay(100);',
    ...(isSecure ? ['  mqtt.setCACert("<the text of ca.pem>");'] : []),
    `  mqtt.setServer(${text(host)}, ${port});`,
    `  mqtt.setClientId(${text(deviceId)});`,
    ...(needsLogin ? [`  mqtt.setCredentials(${text(deviceId)}, "${CREDENTIAL}");`] : []),
    '  mqtt.onConnect([](bool) {',
    `    mqtt.publish(${text(topic)}, 1, false, ${text(READING)});`,
    '  });',
    '  mqtt.connect();',
    '}',
    '',
    'void loop() {}',
    '',
  ].join('\n');
}

/** For a POSIX shell. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** A string as JSON, Python and C++ all write it. */
function text(value: string): string {
  return JSON.stringify(value);
}
