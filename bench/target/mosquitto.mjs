import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { startTarget } from './process.mjs';

/** The path of Mosquitto (Debian keeps it in /usr/sbin, which is not on everybody's PATH), or null. */
export function findMosquitto() {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin'];
  return directories.map((directory) => join(directory, 'mosquitto')).find((path) => existsSync(path)) ?? null;
}

/** Such as `2.0.11`. */
export function mosquittoVersion(/** @type {string} */ path) {
  return /version (\S+)/.exec(spawnSync(path, ['-h'], { encoding: 'utf8' }).stdout)?.[1] ?? 'unknown';
}

/** For when it only acknowledges: no persistence, no limit on what is in flight or queued. `noDelay` is its `set_tcp_nodelay`. */
export function unhindered(/** @type {{ noDelay: boolean }} */ { noDelay }) {
  return ['persistence false', 'max_inflight_messages 0', 'max_queued_messages 0', `set_tcp_nodelay ${noDelay}`];
}

/**
 * For when it hands messages on: as deploy/mosquitto/mosquitto.conf, which says why the queue has no limit. What keeps it short
 * is the load.
 */
export function handingOn(/** @type {{ directory: string }} */ { directory }) {
  return [
    'persistence true',
    `persistence_location ${directory}/`,
    'max_inflight_messages 1000',
    'max_queued_messages 0',
  ];
}

/**
 * Starts Mosquitto on loopback, open to all and without a log.
 * @param {{ path: string, directory: string, settings: readonly string[] }} options lines of its configuration
 */
export async function startMosquitto({ path, directory, settings }) {
  const { target, ports } = await startTarget({
    name: 'Mosquitto',
    ports: /** @type {const} */ (['mqtt']),
    command: ({ mqtt }) => {
      const file = join(directory, `mosquitto-${mqtt}.conf`);
      const lines = [
        `listener ${mqtt} 127.0.0.1`,
        'allow_anonymous true',
        // As root it would become another user, who could not write into our directory.
        `user ${userInfo().username}`,
        'sys_interval 0',
        'connection_messages false',
        'log_dest stderr',
        'log_type error',
        ...settings,
      ];
      writeFileSync(file, `${lines.join('\n')}\n`);
      return { command: path, args: ['-c', file] };
    },
    isReady: ({ mqtt }) => accepts(mqtt),
  });
  return { target, mqttPort: ports.mqtt };
}

/** @returns {Promise<boolean>} */
function accepts(/** @type {number} */ port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.end();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
