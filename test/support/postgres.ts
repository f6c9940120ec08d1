import { Client } from 'pg';
import { newId } from '../../src/common/ids.js';
import { createServer, USER } from './postgres-server.mjs';
import { services } from './services.js';

/** A real PostgreSQL server of a test's own. */
export interface Postgres {
  readonly port: number;
  /** The URL of a database on it. */
  url(database: string, port?: number): string;
  /** Makes a new, empty database and resolves with its URL. */
  createDatabase(): Promise<string>;
  /** Ends it, its data staying as they are: `SIGINT` = fast shutdown, `SIGQUIT` = as a crash. */
  stop(signal?: 'SIGINT' | 'SIGQUIT'): Promise<void>;
  /** Starts it again on the same port, with the same data. */
  start(): Promise<void>;
  /** Ends it where it runs and removes all its files. */
  remove(): Promise<void>;
}

/** Starts a server on loopback that lets everybody in. It does not wait for the disk: a test that needs that sets `fsync=on`. */
export async function startPostgres(settings: Readonly<Record<string, string>> = {}): Promise<Postgres> {
  if (services.postgres === null) throw new Error('PostgreSQL is not installed; wrap the test in describeWith');
  const server = await createServer(services.postgres, settings);
  await server.start();
  const url = (database: string, at = server.port): string => `postgres://${USER}@127.0.0.1:${at}/${database}`;
  return { ...server, url, createDatabase: () => createDatabase(url('postgres')) };
}

/** Makes a new, empty database on the server of `url` and resolves with the new one's URL. */
export async function createDatabase(url: string): Promise<string> {
  const name = `test_${newId().replaceAll('-', '')}`;
  await query(url, `create database ${name}`);
  const created = new URL(url);
  created.pathname = `/${name}`;
  return created.href;
}

/** Runs one statement on a connection of its own and resolves with its rows. */
export async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}
