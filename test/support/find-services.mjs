// What the suite needs besides Node: real brokers and clients of other makes. Plain JavaScript, because it runs before the
// build (scripts/test-services.mjs), inside Jest's reporter and inside the tests.
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

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

/** Debian package of each service. */
export const packages = { mosquitto: 'mosquitto', mosquittoClients: 'mosquitto-clients', paho: 'python3-paho-mqtt' };

/** Where each service is (`mosquittoClients`: mosquitto_pub; `paho`: the Python that has it), null where it is not. */
export function findServices() {
  const publisher = executable('mosquitto_pub');
  return {
    mosquitto: executable('mosquitto'),
    mosquittoClients: publisher && executable('mosquitto_sub') ? publisher : null,
    paho: pythonWithPaho(),
  };
}

/** The names of the services that are not there. */
export function missingServices() {
  return Object.entries(findServices()).flatMap(([name, path]) => (path === null ? [name] : []));
}
