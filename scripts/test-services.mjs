// Runs before the tests: sees that what they need besides Node is there, and installs it where that is possible without
// asking (root on Debian). Never fails: what cannot be had, the suite's last lines name (test/support/summary-reporter.mjs).
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { missingServices, packages } from '../test/support/find-services.mjs';

// Debian makes and starts a PostgreSQL server for its package; the tests want the programs only, and start their own.
const NO_SERVER = '/etc/postgresql-common/createcluster.d/signalbox-tests.conf';

function withoutServer(install) {
  mkdirSync(dirname(NO_SERVER), { recursive: true });
  writeFileSync(NO_SERVER, 'create_main_cluster = false\n');
  try {
    return install();
  } finally {
    rmSync(NO_SERVER);
  }
}

function apt(...args) {
  const { status, stdout, stderr, error } = spawnSync('apt-get', args, {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    timeout: 300_000,
  });
  if (status === 0) return true;
  process.stderr.write(`apt-get ${args.join(' ')} failed:\n${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}\n`);
  return false;
}

const missing = missingServices();
if (missing.length > 0 && process.getuid?.() === 0 && existsSync('/etc/debian_version')) {
  const wanted = missing.map((name) => packages[name]);
  process.stderr.write(`Installing for the tests: ${wanted.join(' ')} ...\n`);
  // An update that fails halfway (one mirror of several away) may still do for these packages.
  apt('update', '-q');
  const installed = withoutServer(() => apt('install', '-q', '-y', '--no-install-recommends', ...wanted));
  // Debian starts what it installs, and a broker on port 1883 would be in the way of our own.
  if (installed && wanted.includes('mosquitto') && existsSync('/run/systemd/system')) {
    spawnSync('systemctl', ['disable', '--now', 'mosquitto'], { stdio: 'ignore' });
  }
}
