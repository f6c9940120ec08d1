// One party that misbehaves, a process of its own, until its stdin ends:
//   node bench/offender.mjs --kind logins|flapping|flood --port 1883 --name N --password P
// `logins`: wrong passwords for ids that exist and that do not, as fast as they are answered, 20 at once. `flapping`: 10 pairs of
// clients with one id that throw each other out. `flood`: 5 devices that publish as fast as the socket takes it, and come back when
// they are closed.
import { connect } from 'node:net';
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectPacket, publishPacket } from './load/packets.mjs';

const { values: options } = parseArgs({
  options: {
    kind: { type: 'string', default: 'logins' },
    port: { type: 'string' },
    name: { type: 'string', default: 'offender' },
    password: { type: 'string', default: '' },
  },
});

const KEEPALIVE_S = 600;
const FLOODERS = 5;
const PAIRS = 10;
const GUESSERS = 20;
/** Written at once by a flooder: 100 messages. */
const BURST = 100;
/** So that refused connections cost the machine no more than the offender itself. */
const PAUSE_MS = 5;

process.stdin.resume().on('end', () => process.exit(0));

/** A connection of `id` until it is closed by the other side; `act` is called with it once it is let in. @returns {Promise<void>} */
function visit(
  /** @type {string} */ id,
  /** @type {string} */ password,
  /** @type {(socket: import('node:net').Socket) => void} */ act,
) {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: Number(options.port), noDelay: true });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
    socket.once('data', (chunk) => {
      if (chunk[3] !== 0) socket.destroy();
      else act(socket);
    });
    socket.write(connectPacket(id, KEEPALIVE_S, password));
  });
}

async function again(/** @type {(turn: number) => Promise<void>} */ once) {
  for (let turn = 0; ; turn += 1) {
    await once(turn);
    await sleep(PAUSE_MS);
  }
}

function deviceId(/** @type {number} */ n) {
  return `${options.name}-${String(n).padStart(5, '0')}`;
}

function flood(/** @type {number} */ n, /** @type {import('node:net').Socket} */ socket) {
  const topic = `devices/${deviceId(n)}/up/telemetry`;
  const packets = Array.from({ length: BURST }, (_, i) =>
    publishPacket(topic, i + 1, Buffer.from('{"temperature":21.5}')),
  );
  const burst = Buffer.concat(packets);
  const write = () => {
    while (!socket.destroyed && socket.write(burst));
  };
  socket.resume().on('drain', write);
  write();
}

const kinds = {
  logins: () =>
    Array.from({ length: GUESSERS }, (_, n) =>
      again((turn) =>
        visit(turn % 2 ? deviceId(n) : `nobody-${n}-${turn}`, 'wrong'.padEnd(43, '0'), (socket) => socket.destroy()),
      ),
    ),
  flapping: () =>
    Array.from({ length: 2 * PAIRS }, (_, n) =>
      again(() => visit(deviceId(n % PAIRS), options.password, () => undefined)),
    ),
  flood: () =>
    Array.from({ length: FLOODERS }, (_, n) =>
      again(() => visit(deviceId(n), options.password, (socket) => flood(n, socket))),
    ),
};

const kind = /** @type {keyof typeof kinds} */ (options.kind);
if (!(kind in kinds)) throw new Error(`there is no offender ${kind}`);
await Promise.all(kinds[kind]());
