import { Logger } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { VERSION } from './common/version.js';
import type { LoadedConfig } from './config/load-config.js';
import { LogConfig } from './config/log.config.js';
import { StorageConfig } from './config/storage.config.js';
import { TopicConfig } from './config/topic.config.js';
import { MqttLink } from './mqtt/link.js';

const RECOMMENDED_NODE = 22;

/** Tells where everything is and what to try first: as text for people, as one record where the log is JSON. */
export function announce(app: NestFastifyApplication, config: LoadedConfig): void {
  const logger = new Logger('Signalbox');
  const http = httpUrl(app);
  const [mqtt = ''] = app.get(MqttLink).urls;
  const facts = {
    mode: 'embedded broker, SQLite',
    http,
    mqtt,
    dataDir: config.get(StorageConfig).dataDir,
    access: 'open: this machine only, no keys',
  };
  const next = nextSteps(http, mqtt, config.get(TopicConfig).prefix);
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
    `  Data     ${facts.dataDir}`,
    `  Access   ${facts.access}`,
    '',
    '  Next, in another terminal:',
    ...next.map((line) => `    ${line}`),
    '',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

function httpUrl(app: NestFastifyApplication): string {
  const address = app.getHttpServer().address();
  if (address === null || typeof address === 'string') throw new Error('the HTTP server has no address');
  return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
}

function nextSteps(http: string, mqtt: string, prefix: string): string[] {
  const { hostname, port } = new URL(mqtt);
  const host = hostname.replaceAll(/[[\]]/g, '');
  return [
    `mosquitto_pub -h ${host} -p ${port} -q 1 -t ${prefix}/greenhouse-1/up/telemetry -m '{"temperature": 21.5}'`,
    `curl ${http}/sensors`,
    `curl ${http}/control -H 'Content-Type: application/json' -d '{"command": "TURN_ON_FAN"}'`,
  ];
}
