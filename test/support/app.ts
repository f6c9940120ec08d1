import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HTTP_LIMITS, type HttpLimits } from '../../src/app.http.js';
import { createApp, listen } from '../../src/app.setup.js';
import { loadConfig } from '../../src/config/load-config.js';
import { MqttLink } from '../../src/mqtt/link.js';
import { Database } from '../../src/storage/database.js';
import { startBackends } from './backends.js';

/** The real application in this process, on free ports of loopback and its own data directory. */
export interface TestApp {
  readonly app: NestFastifyApplication;
  readonly httpUrl: string;
  readonly mqttUrl: string;
  readonly mqttPort: number;
  readonly dataDir: string;
  readonly database: Database;
  /** Stops it; the data directory goes too unless it was given from outside. */
  close(): Promise<void>;
}

/**
 * Starts Signalbox. `dataDir` reuses a directory of an earlier start; `settings` are environment variables, `limits` those of
 * HTTP; `prepare` is called before anything is registered or opened.
 */
export async function createTestApp(
  settings: Record<string, string> = {},
  dataDir?: string,
  limits: Partial<HttpLimits> = {},
  prepare: (app: NestFastifyApplication) => void = () => {},
): Promise<TestApp> {
  const directory = dataDir ?? mkdtempSync(join(tmpdir(), 'signalbox-test-'));
  const backends = await startBackends(directory, settings);
  const end = async (): Promise<void> => {
    await backends.stop();
    if (dataDir !== undefined) return;
    await backends.remove();
    rmSync(directory, { recursive: true, force: true });
  };
  const environment = {
    HTTP_PORT: '0',
    MQTT_PORT: '0',
    DATA_DIR: directory,
    LOG_LEVEL: 'fatal',
    LOG_FORMAT: 'json',
    ...backends.settings,
    ...settings,
  };
  try {
    const config = loadConfig(environment, directory);
    const app = await createApp(config, { ...HTTP_LIMITS, ...limits });
    prepare(app);
    await listen(app, config);
    const mqttUrl = app.get(MqttLink).urls[0]!;
    return {
      app,
      httpUrl: (await app.getUrl()).replace('[::1]', 'localhost'),
      mqttUrl,
      mqttPort: Number(new URL(mqttUrl).port),
      dataDir: directory,
      database: app.get(Database),
      close: async () => {
        await app.close();
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}
