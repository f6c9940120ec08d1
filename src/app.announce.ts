import { Logger } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AdminKey } from './access/admin-key.js';
import { accessText, loginOption } from './app.access.js';
import { VERSION } from './common/version.js';
import { BrokerConfig } from './config/broker.config.js';
import type { LoadedConfig } from './config/load-config.js';
import { LogConfig } from './config/log.config.js';
import { StorageConfig } from './config/storage.config.js';
import { TlsConfig } from './config/tls.config.js';
import { TopicConfig } from './config/topic.config.js';
import { MqttLink } from './mqtt/link.js';

const RECOMMENDED_NODE = 22;

/** Tells where everything is and what to try first: as text for people, as one record where the log is JSON. No secret is in it but, on a terminal only, an admin key that was made just now. */
export function announce(app: NestFastifyApplication, config: LoadedConfig): void {
  const logger = new Logger('Signalbox');
  const http = httpUrl(app, config);
  const broker = config.get(BrokerConfig);
  const { required } = config.mode;
  const adminKey = app.get(AdminKey).place;
  const [mqtt = '', ...more] = app.get(MqttLink).urls.map(publicUrl);
  // Such as mqtts and wss, by their scheme.
  const others = Object.fromEntries(more.map((url) => [url.slice(0, url.indexOf(':')), url]));
  const facts = {
    mode: `${broker.url ? 'external' : 'embedded'} broker, ${config.get(StorageConfig).databaseUrl ? 'PostgreSQL' : 'SQLite'}`,
    http,
    mqtt,
    ...others,
    ...whereDataIs(config.get(StorageConfig)),
    access: accessText(required, adminKey, broker.url !== null),
  };
  const next = required
    ? stepsWithLogin(fromHere(http), loginOption(required, adminKey))
    : nextSteps(fromHere(http), broker.username === '' ? mqtt : null, config.get(TopicConfig).prefix);
  for (const warning of config.warnings) logger.warn(warning);
  const major = Number.parseInt(process.versions.node, 10);
  if (major < RECOMMENDED_NODE) {
    logger.warn(`Node ${process.versions.node} still works, but is past its end of life; Node 24 LTS is recommended`);
  }
  if (config.get(LogConfig).format === 'json') {
    logger.log({ msg: 'ready', version: VERSION, ...facts, next });
    return;
  }
  const lines = [
    '',
    `  Signalbox ${VERSION} is ready`,
    '',
    `  Mode     ${facts.mode}`,
    `  HTTP     ${facts.http}`,
    `  MQTT     ${facts.mqtt}`,
    ...Object.entries(others).map(([scheme, url]) => `  ${scheme.toUpperCase().padEnd(9)}${url}`),
    `  Data     ${facts.database ?? facts.dataDir}`,
    `  Access   ${facts.access}`,
    ...(process.stdout.isTTY && adminKey.kind === 'file' && adminKey.made ? [`  Key      ${adminKey.made}`] : []),
    '',
    '  Next, in another terminal:',
    ...next.map((line) => `    ${line}`),
    '',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

function whereDataIs({ databaseUrl, dataDir }: StorageConfig): {
  readonly database?: string;
  readonly dataDir?: string;
} {
  return databaseUrl === null ? { dataDir } : { database: publicUrl(databaseUrl) };
}

/** Without the login, and without parameters, which may carry one. */
function publicUrl(text: string): string {
  const { protocol, host, pathname } = new URL(text);
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
}

function httpUrl(app: NestFastifyApplication, config: LoadedConfig): string {
  const address = app.getHttpServer().address();
  if (address === null || typeof address === 'string') throw new Error('the HTTP server has no address');
  const scheme = config.get(TlsConfig).http ? 'https' : 'http';
  return `${scheme}://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
}

/** What listens on all addresses is reached from this machine as localhost, which a certificate may name. */
function fromHere(url: string): string {
  return url.replace(/\/\/(0\.0\.0\.0|\[::\])(?=:)/, '//localhost');
}

function stepsWithLogin(http: string, login: string): string[] {
  const json = `${login} -H 'Content-Type: application/json'`;
  return [
    `curl ${http}/v1/devices${json} -d '{"id": "greenhouse-1"}'`,
    `curl ${http}/sensors${login}`,
    `curl ${http}/control${json} -d '{"deviceId": "greenhouse-1", "command": "TURN_ON_FAN"}'`,
  ];
}

/** `mqtt`: null where the broker wants a login. */
function nextSteps(http: string, mqtt: string | null, prefix: string): string[] {
  return [
    publishStep(http, mqtt, `${prefix}/greenhouse-1/up/telemetry`),
    `curl ${http}/sensors`,
    `curl ${http}/control -H 'Content-Type: application/json' -d '{"command": "TURN_ON_FAN"}'`,
  ];
}

/** With mosquitto_pub where that needs neither login nor certificate, else through us. */
function publishStep(http: string, mqtt: string | null, topic: string): string {
  if (mqtt?.startsWith('mqtt:')) {
    const { hostname, port } = new URL(mqtt);
    const host = hostname.replaceAll(/[[\]]/g, '');
    return `mosquitto_pub -h ${host} -p ${port || '1883'} -q 1 -t ${topic} -m '{"temperature": 21.5}'`;
  }
  const body = JSON.stringify({ topic, payload: { temperature: 21.5 } });
  return `curl ${http}/publish -H 'Content-Type: application/json' -d '${body}'`;
}
