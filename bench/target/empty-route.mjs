import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startTarget } from './process.mjs';
import { answersReady, nodeFlags } from './signalbox.mjs';

const program = fileURLToPath(new URL('../empty-route.mjs', import.meta.url));

/**
 * Starts bench/empty-route.mjs, with the flags of Node that Signalbox has. `body` is the JSON text that it answers with.
 * @param {{ directory: string, method: 'GET' | 'POST', path: string, status: number, body: string }} options
 */
export async function startEmptyRoute({ directory, method, path, status, body }) {
  const file = join(directory, 'empty-route.json');
  writeFileSync(file, body);
  const { target, ports } = await startTarget({
    name: 'The empty route',
    ports: /** @type {const} */ (['http']),
    command: ({ http }) => {
      const options = { http, method, path, status, body: file };
      const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
      return { command: process.execPath, args: [...nodeFlags, program, ...args] };
    },
    isReady: ({ http }) => answersReady(http),
  });
  return { target, httpPort: ports.http };
}
