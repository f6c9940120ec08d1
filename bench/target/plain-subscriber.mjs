import { fileURLToPath } from 'node:url';
import { startTarget } from './process.mjs';
import { answersReady } from './signalbox.mjs';

const program = fileURLToPath(new URL('../plain-subscriber.mjs', import.meta.url));

/** Starts bench/plain-subscriber.mjs against the broker on `mqttPort`. */
export async function startPlainSubscriber(/** @type {number} */ mqttPort) {
  const { target, ports } = await startTarget({
    name: 'The plain subscriber',
    ports: /** @type {const} */ (['http']),
    command: ({ http }) => ({
      command: process.execPath,
      args: [program, '--mqtt', String(mqttPort), '--http', String(http)],
    }),
    isReady: ({ http }) => answersReady(http),
  });
  return { target, httpPort: ports.http };
}
