import { type INestApplication, Logger } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { StartupError } from './common/startup.error.js';
import { VERSION } from './common/version.js';
import { ConfigError } from './config/config.error.js';
import type { LoadedConfig } from './config/load-config.js';
import { LogConfig } from './config/log.config.js';
import { StorageConfig } from './config/storage.config.js';
import { TopicConfig } from './config/topic.config.js';
import { MqttLink } from './mqtt/link.js';

/** How long a stop may take before it is forced. */
const STOP_DEADLINE_MS = 10_000;
const EXIT_FAILED = 1;
const EXIT_CONFIG = 78;
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

/**
 * SIGTERM and SIGINT stop the application gracefully: intake ends, what is in flight is finished and acknowledged, exit 0.
 * A second signal ends the process at once; so does a stop that takes longer than 10 s (exit 1).
 */
export function stopOnSignals(starting: Promise<INestApplication>): void {
  const logger = new Logger('Signalbox');
  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(EXIT_FAILED);
    stopping = true;
    logger.log(`${signal}: stopping; once more ends it at once`);
    setTimeout(() => {
      logger.error(
        `not stopped after ${STOP_DEADLINE_MS / 1000} s, ending now; what was not acknowledged is sent again`,
      );
      process.exit(EXIT_FAILED);
    }, STOP_DEADLINE_MS).unref();
    starting
      .then((app) => app.close())
      .then(
        () => process.exit(0),
        (error: unknown) => {
          logger.error(error);
          process.exit(EXIT_FAILED);
        },
      );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

/** Where the start failed, says why and what to do on standard error, and ends the process with the exit code that fits. */
export function exitOnFailure(starting: Promise<unknown>): void {
  starting.catch((error: unknown) => {
    process.stderr.write(explainFailure(error));
    process.exit(
      error instanceof ConfigError ? EXIT_CONFIG : error instanceof StartupError ? error.exitCode : EXIT_FAILED,
    );
  });
}

function explainFailure(error: unknown): string {
  if (error instanceof ConfigError) {
    const width = Math.max(...error.problems.map(({ variable }) => variable.length));
    const lines = error.problems.map(({ variable, detail }) => `  ${variable.padEnd(width)}  ${detail}`);
    return (
      `Signalbox cannot start: ${error.problems.length} wrong setting${error.problems.length === 1 ? '' : 's'}.\n\n` +
      `${lines.join('\n')}\n\nSettings come from the environment, .env.local and .env, in this order; see docs/configuration.md.\n`
    );
  }
  if (error instanceof StartupError) return `Signalbox cannot start: ${error.message}\n${error.hint}\n`;
  return `Signalbox cannot start.\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`;
}
