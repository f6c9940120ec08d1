import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { findServices } from '../../test/support/find-services.mjs';
import { startTarget } from './process.mjs';

const USER = 'signalbox';
const DATABASE = 'postgres';

/** The directory of PostgreSQL's programs, or null. */
export const postgresPath = findServices().postgres;

/** Such as `15.18`. */
export function postgresVersion(/** @type {string} */ bin) {
  const { stdout } = spawnSync(join(bin, 'postgres'), ['--version'], { encoding: 'utf8' });
  return /(\d+\.\d+)/.exec(stdout)?.[1] ?? 'unknown';
}

/**
 * Starts a PostgreSQL of its own with its settings as they come: `fsync` and `synchronous_commit` are on, so a commit is on disk.
 * @param {{ bin: string, directory: string }} options
 */
export async function startPostgres({ bin, directory }) {
  const owner = serverOwner();
  // Its user must reach its directory, which lies in ours.
  chmodSync(directory, 0o755);
  const data = mkdtempSync(join(directory, 'postgres-'));
  if (owner) chownSync(data, owner.uid, owner.gid);
  const initdb = spawnSync(
    join(bin, 'initdb'),
    ['-D', data, '-U', USER, '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-instructions'],
    { ...owner, cwd: '/', encoding: 'utf8' },
  );
  if (initdb.status !== 0) throw new Error(`initdb failed: ${initdb.stdout}${initdb.stderr}`);
  const settings = ['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='];
  const url = (/** @type {number} */ port) => `postgres://${USER}@127.0.0.1:${port}/${DATABASE}`;
  const { target, ports } = await startTarget({
    name: 'PostgreSQL',
    ports: /** @type {const} */ (['sql']),
    command: ({ sql }) => ({
      command: join(bin, 'postgres'),
      args: ['-D', data, '-p', String(sql), ...settings],
      cwd: '/',
      // Fast shutdown: SIGTERM would wait for connections to end by themselves.
      stopSignal: 'SIGINT',
      ...owner,
    }),
    isReady: ({ sql }) =>
      queryRows(url(sql), 'select 1').then(
        () => true,
        () => false,
      ),
  });
  return { target, url: url(ports.sql), remove: () => rmSync(data, { recursive: true, force: true }) };
}

/** Counts what Signalbox left in its database. */
export async function countStoredIn(/** @type {string} */ url) {
  const [row] = await queryRows(
    url,
    'select (select count(*) from readings) as readings, (select count(*) from rejects) as rejects',
  );
  return { readings: Number(row?.['readings']), rejects: Number(row?.['rejects']) };
}

/** @returns {Promise<Record<string, unknown>[]>} */
async function queryRows(/** @type {string} */ url, /** @type {string} */ text) {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

/** The server refuses to run as root; Debian's package has made a user for it. */
function serverOwner() {
  if (process.getuid?.() !== 0) return null;
  const id = (/** @type {string} */ flag) => Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout);
  return { uid: id('-u'), gid: id('-g') };
}
