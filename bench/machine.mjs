import { execFileSync } from 'node:child_process';
import { closeSync, fdatasyncSync, openSync, readFileSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median } from './bench.mjs';
import { mosquittoVersion } from './target/mosquitto.mjs';
import { postgresVersion } from './target/postgres.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
/** statfs(2) */
const TMPFS_MAGIC = 0x01021994;
const SYNCS = 50;

/**
 * What the figures depend on, and which code they are of.
 * @param {string} directory
 * @param {Record<'mosquitto' | 'postgres', string | null>} paths
 */
export function machineFacts(directory, { mosquitto, postgres }) {
  return {
    date: new Date().toISOString(),
    commit: commit(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    os: `${/^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux'}, ${release()}`,
    node: process.version,
    mosquitto: mosquitto === null ? 'missing' : mosquittoVersion(mosquitto),
    postgres: postgres === null ? 'missing' : postgresVersion(postgres),
    syncMs: Number(syncMilliseconds(directory).toFixed(3)),
    disk: statfsSync(directory).type === TMPFS_MAGIC ? 'tmpfs: a commit costs nothing, so no figure counts' : 'a disk',
  };
}

function commit() {
  try {
    const git = (/** @type {string[]} */ ...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain') === '' ? '' : ' with changes');
  } catch {
    return 'unknown';
  }
}

/** Median time of a 4 KiB append made durable: what a commit costs at least. */
function syncMilliseconds(/** @type {string} */ directory) {
  const path = join(directory, 'sync');
  const file = openSync(path, 'w');
  const block = Buffer.alloc(4_096, 1);
  const times = Array.from({ length: SYNCS }, () => {
    const startedAt = performance.now();
    writeSync(file, block);
    fdatasyncSync(file);
    return performance.now() - startedAt;
  });
  closeSync(file);
  rmSync(path);
  return median(times);
}
