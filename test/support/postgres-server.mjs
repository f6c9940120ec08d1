// A PostgreSQL server for tests. Plain JavaScript, because Jest's global set-up uses it too, which no transform reaches.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { endWithUs } from './guard.mjs';

/** The server's only user, who needs no password. */
export const USER = 'signalbox';
const START_DEADLINE_MS = 20_000;

/** Prepares a server on a free port of loopback that lets everybody in and does not wait for the disk; `settings` override that. */
export async function createServer(bin, settings = {}) {
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

  let child = null;
  const stop = async (signal = 'SIGINT') => {
    const running = child;
    child = null;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const ended = once(running, 'exit');
    running.kill(signal);
    await ended;
  };
  const start = async () => {
    const output = [];
    const server = spawn(join(bin, 'postgres'), ['-D', data, '-p', String(port), ...args], {
      ...owner,
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = server;
    endWithUs(server, 'QUIT');
    for (const stream of [server.stdout, server.stderr]) {
      stream.on('data', (chunk) => output.length < 1_000 && output.push(chunk));
    }
    const end = Date.now() + START_DEADLINE_MS;
    while (!(await answers(port))) {
      if (server.exitCode !== null || Date.now() > end) {
        await stop('SIGQUIT');
        throw new Error(`PostgreSQL did not start: ${Buffer.concat(output).toString()}`);
      }
      await pause(15);
    }
  };
  const remove = async () => {
    await stop();
    rmSync(directory, { recursive: true, force: true });
  };
  return { port, start, stop, remove };
}

async function answers(port) {
  const client = new pg.Client({ connectionString: `postgres://${USER}@127.0.0.1:${port}/postgres` });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.end();
    return true;
  } catch {
    return false;
  }
}

async function freePort() {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** The server refuses to run as root; Debian's package has made a user for it. */
function serverOwner() {
  if (process.getuid?.() !== 0) return null;
  const id = (flag) => Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout);
  return { uid: id('-u'), gid: id('-g') };
}
