import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { newId } from '../../src/common/ids.js';
import { eventually } from './eventually.js';
import { endChild, freePort, services } from './services.js';

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

const USER = 'signalbox';

/** Starts a server on loopback that lets everybody in. It does not wait for the disk: a test that needs that sets `fsync=on`. */
export async function startPostgres(settings: Readonly<Record<string, string>> = {}): Promise<Postgres> {
  const bin = services.postgres;
  if (bin === null) throw new Error('PostgreSQL is not installed; wrap the test in describeWith');
  const port = await freePort();
  const owner = serverOwner();
  const directory = mkdtempSync(join(tmpdir(), 'signalbox-postgres-'));
  chmodSync(directory, 0o755);
  const data = join(directory, 'data');
  mkdirSync(data, { mode: 0o700 });
  if (owner) chownSync(data, owner.uid, owner.gid);
  const initdb = spawnSync(
    join(bin, 'initdb'),
    ['-D', data, '-U', USER, '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync', '--no-instructions'],
    { ...owner, cwd: '/', encoding: 'utf8' },
  );
  if (initdb.status !== 0) throw new Error(`initdb failed: ${initdb.stdout}${initdb.stderr}${initdb.error?.message}`);

  const options = { listen_addresses: '127.0.0.1', unix_socket_directories: '', fsync: 'off', ...settings };
  const args = Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const url = (database: string, at = port): string => `postgres://${USER}@127.0.0.1:${at}/${database}`;
  let child: ChildProcess | null = null;

  const stop = async (signal: NodeJS.Signals = 'SIGINT'): Promise<void> => {
    if (child) await endChild(child, signal);
    child = null;
  };
  const start = async (): Promise<void> => {
    const output: Buffer[] = [];
    const server = spawn(join(bin, 'postgres'), ['-D', data, '-p', String(port), ...args], {
      ...owner,
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = server;
    process.once('exit', () => server.kill('SIGQUIT'));
    for (const stream of [server.stdout, server.stderr]) stream.on('data', (chunk: Buffer) => output.push(chunk));
    await eventually('PostgreSQL answers', async () => {
      if (server.exitCode !== null) throw new Error(`PostgreSQL ended: ${Buffer.concat(output).toString()}`);
      return query(url('postgres'), 'select 1').then(
        () => true,
        () => false,
      );
    });
  };
  await start();
  return {
    port,
    url,
    createDatabase: async () => {
      const name = `test_${newId().replaceAll('-', '')}`;
      await query(url('postgres'), `create database ${name}`);
      return url(name);
    },
    stop,
    start,
    remove: async () => {
      await stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
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

/** The server refuses to run as root; Debian's package has made a user for it. */
function serverOwner(): { readonly uid: number; readonly gid: number } | null {
  if (process.getuid?.() !== 0) return null;
  const id = (flag: string): number => Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout);
  return { uid: id('-u'), gid: id('-g') };
}
