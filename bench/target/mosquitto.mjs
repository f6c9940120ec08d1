import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
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

/**
 * Starts Mosquitto on loopback with nothing that holds it back: no persistence, no log, no limit on what is in flight or queued.
 * `noDelay` is its `set_tcp_nodelay`, off as it comes.
 * @param {{ path: string, directory: string, noDelay: boolean }} options
 */
export async function startMosquitto({ path, directory, noDelay }) {
  const { target, ports } = await startTarget({
    name: 'Mosquitto',
    ports: /** @type {const} */ (['mqtt']),
    command: ({ mqtt }) => {
      const file = join(directory, `mosquitto-${mqtt}.conf`);
      const settings = [
        `listener ${mqtt} 127.0.0.1`,
        'allow_anonymous true',
        'persistence false',
        'max_inflight_messages 0',
        'max_queued_messages 0',
        `set_tcp_nodelay ${noDelay}`,
        'sys_interval 0',
        'connection_messages false',
        'log_dest stderr',
        'log_type error',
      ];
      writeFileSync(file, `${settings.join('\n')}\n`);
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
