// Devices that are only there, a process of its own: node bench/crowd.mjs --port 1883 --count 10000 --password P. They connect,
// log in and subscribe to what is below their `down/`. Each line on stdin is a number: so many of them lose their connection in
// the same moment and come back at once, as after a power cut. Writes one JSON line when all are there, each time.
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { connectPacket, subscribePacket } from './load/packets.mjs';

const { values: options } = parseArgs({
  options: {
    port: { type: 'string' },
    count: { type: 'string', default: '1000' },
    /** Of those, so many are connecting at once, until all are there for the first time. */
    abreast: { type: 'string', default: '200' },
    name: { type: 'string', default: 'crowd' },
    password: { type: 'string' },
  },
});

const CONNACK_AND_SUBACK = 9;
const RETRY_MS = 1_000;
const GIVE_UP_MS = 300_000;
const KEEPALIVE_S = 600;

/** @type {import('node:net').Socket[]} */
const sockets = [];
let tries = 0;

/** Resolves when device n is subscribed. A try that fails is followed by another after 1 to 2 s. @returns {Promise<void>} */
async function come(/** @type {number} */ n) {
  const id = `${options.name}-${String(n).padStart(5, '0')}`;
  const deadline = performance.now() + GIVE_UP_MS;
  for (;;) {
    tries += 1;
    const socket = await attempt(id);
    if (socket) {
      sockets[n] = socket;
      return;
    }
    if (performance.now() > deadline) fail(new Error(`${id} did not come in within ${GIVE_UP_MS / 1_000} s`));
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS * (1 + Math.random())));
  }
}

/** The connection once its subscription is granted, or null. @returns {Promise<import('node:net').Socket | null>} */
function attempt(/** @type {string} */ id) {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: Number(options.port), noDelay: true });
    let answer = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(null));
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk]);
      if (answer.length >= 4 && answer[3] !== 0) socket.destroy();
      if (answer.length >= CONNACK_AND_SUBACK) {
        socket.removeAllListeners('data').resume();
        resolve(answer[8] === 1 ? socket : null);
      }
    });
    socket.write(
      Buffer.concat([
        connectPacket(id, KEEPALIVE_S, options.password ?? null),
        subscribePacket(`devices/${id}/down/#`, 1),
      ]),
    );
  });
}

/** How long it takes until `numbers` are all there, `abreast` of them at once. */
async function gather(/** @type {number[]} */ numbers, /** @type {number} */ abreast) {
  const began = performance.now();
  tries = 0;
  const left = numbers[Symbol.iterator]();
  const lane = async () => {
    for (const n of left) await come(n);
  };
  await Promise.all(Array.from({ length: Math.min(abreast, numbers.length) }, lane));
  const line = { event: 'there', count: numbers.length, ms: performance.now() - began, tries };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** @returns {never} */
function fail(/** @type {Error} */ error) {
  process.stderr.write(`crowd: ${error.message}\n`);
  process.exit(1);
}

const count = Number(options.count);
const everybody = Array.from({ length: count }, (_, n) => n);
await gather(everybody, Number(options.abreast)).catch(fail);
const lines = createInterface({ input: process.stdin });
for await (const line of lines) {
  const gone = everybody.slice(0, Number(line));
  for (const n of gone) sockets[n]?.resetAndDestroy();
  await gather(gone, gone.length).catch(fail);
}
for (const socket of sockets) socket.destroy();
