// What the suite needs besides Node: real brokers and clients of other makes. Plain JavaScript, because it runs before the
// build (scripts/test-services.mjs), inside Jest's reporter and inside the tests.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

// Debian keeps mosquitto in /usr/sbin, which is not in everybody's PATH.
const directories = [
  ...(process.env.PATH ?? '').split(delimiter),
  '/usr/sbin',
  '/usr/local/sbin',
  '/opt/homebrew/sbin',
];

function executable(name) {
  for (const path of directories.filter(Boolean).map((directory) => join(directory, name))) {
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this directory.
    }
  }
  return null;
}

function pythonWithPaho() {
  // Debian's own Python first: another one in PATH does not see the packages of apt.
  for (const path of ['/usr/bin/python3', executable('python3')]) {
    if (path && spawnSync(path, ['-c', 'import paho.mqtt.client'], { stdio: 'ignore' }).status === 0) return path;
  }
  return null;
}

/** Debian keeps the server's programs in a directory per version, out of PATH. */
function postgresDirectory() {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).filter((name) => /^\d+$/.test(name)) : [];
  const newestFirst = versions.toSorted((a, b) => b - a).map((version) => join(root, version, 'bin'));
  const initdb = executable('initdb');
  return [...newestFirst, ...(initdb ? [dirname(initdb)] : [])].find((bin) => existsSync(join(bin, 'initdb'))) ?? null;
}

/** Debian package of each service. */
export const packages = {
  mosquitto: 'mosquitto',
  mosquittoClients: 'mosquitto-clients',
  paho: 'python3-paho-mqtt',
  postgres: 'postgresql',
  openssl: 'openssl',
  gxx: 'g++',
};

/** Where each service is (`mosquittoClients`: mosquitto_pub; `paho`: the Python that has it; `postgres`: the directory of initdb and postgres), null where it is not. */
export function findServices() {
  const publisher = executable('mosquitto_pub');
  return {
    mosquitto: executable('mosquitto'),
    mosquittoClients: publisher && executable('mosquitto_sub') ? publisher : null,
    paho: pythonWithPaho(),
    postgres: postgresDirectory(),
    openssl: executable('openssl'),
    gxx: executable('g++'),
  };
}

/** The names of the services that are not there. */
export function missingServices() {
  return Object.entries(findServices()).flatMap(([name, path]) => (path === null ? [name] : []));
}
