import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BrokerLog } from './broker-log.js';
import { createDatabase, query } from './postgres.js';
import { FOR_REPLICAS, startMosquitto } from './services.js';

/** Set by the Jest project `e2e external` (jest.config.mjs): every application gets a Mosquitto of its own and PostgreSQL. */
declare global {
  var signalboxBackends: 'external' | undefined;
}

/** What an application runs on beside itself, and the settings that say so. */
export interface Backends {
  readonly settings: Readonly<Record<string, string>>;
  /** Stops them; those of the same directory find everything again when they are started again. */
  stop(): Promise<void>;
  /** Removes what is outside the directory. */
  remove(): Promise<void>;
}

/** True where applications of a test have an external broker. What differs there has its reason beside it. */
export const hasExternalBroker = globalThis.signalboxBackends === 'external';

const EMBEDDED: Backends = { settings: {}, stop: async () => {}, remove: async () => {} };
const SHARE_GROUP = 'signalbox';
const logs = new Map<string, BrokerLog>();

/**
 * Starts what an application with this data directory runs on: nothing where broker and database are embedded, or where
 * `settings` name others. Else a Mosquitto that keeps its sessions in the directory (on MQTT_PORT, where that is set), and a
 * database of its own, whose name is kept there.
 */
export async function startBackends(directory: string, settings: Readonly<Record<string, string>>): Promise<Backends> {
  if (!hasExternalBroker || 'MQTT_URL' in settings || 'DATABASE_URL' in settings) {
    return EMBEDDED;
  }
  const server = process.env['SIGNALBOX_TEST_POSTGRES'];
  if (server === undefined) throw new Error('no PostgreSQL: external.setup.mjs did not run');
  const home = join(directory, 'mosquitto');
  mkdirSync(home, { recursive: true });
  const kept = join(directory, 'database-url');
  if (!existsSync(kept)) writeFileSync(kept, await createDatabase(server));
  const database = readFileSync(kept, 'utf8');

  const mosquitto = await startMosquitto({
    port: Number(settings['MQTT_PORT'] ?? 0) || undefined,
    data: home,
    config: `${FOR_REPLICAS}\nlog_dest stderr\nlog_type all`,
  });
  const log = new BrokerLog(mosquitto.log, mosquitto.url, `${SHARE_GROUP}-`);
  logs.set(mosquitto.url, log);
  return {
    settings: { MQTT_URL: mosquitto.url, DATABASE_URL: database, MQTT_SHARE_GROUP: SHARE_GROUP },
    stop: async () => {
      logs.delete(mosquitto.url);
      await log.close();
      await mosquitto.stop();
    },
    remove: async () => {
      const name = new URL(database).pathname.slice(1);
      await query(server, `drop database if exists ${name} with (force)`);
    },
  };
}

/**
 * Resolves when Signalbox has taken in all that its broker had accepted before this call. With the embedded broker that is
 * what an acknowledgement means; an external one acknowledges before it hands the message on.
 */
export async function settled(mqttUrl: string): Promise<void> {
  await logs.get(mqttUrl)?.settled();
}
