import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { RouteOptions } from 'fastify';
import { createApp, listen } from '../../../src/app.setup.js';
import { loadConfig } from '../../../src/config/load-config.js';
import { Database } from '../../../src/storage/database.js';
import { bearer, newKeyText, type Requests, requestsWith } from '../../support/access.js';
import { temporaryDirectory } from '../../support/process.js';

/** A route as it is registered. */
export interface Route {
  readonly method: string;
  /** Its path with `{}` for every parameter. */
  readonly path: string;
}

/** The application with access required, and every route that its HTTP server has, whoever registered it. */
export interface WalkedApp {
  readonly app: NestFastifyApplication;
  readonly httpUrl: string;
  readonly database: Database;
  readonly routes: readonly Route[];
  readonly adminKey: string;
  as(key: string): Requests;
  close(): Promise<void>;
}

export async function startWalked(settings: Record<string, string> = {}): Promise<WalkedApp> {
  const directory = temporaryDirectory();
  const adminKey = newKeyText();
  const environment = {
    HTTP_PORT: '0',
    MQTT_PORT: '0',
    DATA_DIR: directory.path,
    LOG_LEVEL: 'fatal',
    ACCESS: 'required',
    ADMIN_KEY: adminKey,
    ...settings,
  };
  const config = loadConfig(environment, directory.path);
  const app = await createApp(config);
  const routes: Route[] = [];
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRoute', ({ method, url }: RouteOptions) => {
      const path = url.replaceAll(/:[^/]+/g, '{}');
      for (const one of [method].flat()) routes.push({ method: one, path });
    });
  await listen(app, config);
  const httpUrl = await app.getUrl();
  return {
    app,
    httpUrl,
    database: app.get(Database),
    routes,
    adminKey,
    as: (key) => requestsWith(httpUrl, bearer(key)),
    close: async () => {
      await app.close();
      directory.remove();
    },
  };
}
