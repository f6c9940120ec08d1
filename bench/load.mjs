// The load generator, a process of its own: node bench/load.mjs --port 1883 [options]. Writes one JSON line when the measured
// window begins, one when it ends, and one with the result. Exit code 1 with a message where the load could not be carried.
// Closed loop; open loop with --rate; with --credit each line on stdin says how many messages it may have sent in all by now.
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from './load/connection.mjs';
import { Latencies } from './load/latencies.mjs';
import { buildRing } from './load/packets.mjs';

const { values: options } = parseArgs({
  options: {
    port: { type: 'string' },
    connections: { type: 'string', default: '50' },
    window: { type: 'string', default: '50' },
    refill: { type: 'string', default: '10' },
    devices: { type: 'string' },
    form: { type: 'string', default: 'flat' },
    rate: { type: 'string' },
    credit: { type: 'boolean', default: false },
    warmup: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '10' },
    name: { type: 'string', default: `load-${process.pid}` },
    password: { type: 'string' },
    'topic-prefix': { type: 'string', default: 'devices' },
  },
});

const port = Number(options.port);
const connectionCount = Number(options.connections);
const deviceCount = Number(options.devices ?? connectionCount);
const seconds = Number(options.seconds);
const warmup = Number(options.warmup);
const rate = options.rate === undefined ? null : Number(options.rate);
/** Messages are sent as they become due, not as the windows allow. */
const paced = rate !== null || options.credit;
if (rate !== null && options.credit) fail(new Error('--rate and --credit exclude each other'));
if (options.form !== 'flat' && options.form !== 'envelope') fail(new Error('--form must be flat or envelope'));
const { form } = options;

/** The ring holds each device of a connection equally often, and many more packets than the window. */
const devicesEach = deviceCount / connectionCount;
if (!Number.isInteger(devicesEach)) fail(new Error('--devices must be a multiple of --connections'));
const ringSize = devicesEach * Math.ceil(1_000 / devicesEach);
if (ringSize > 65_535) fail(new Error('too many devices for a connection: packet ids would repeat'));
const DRAIN_MS = 15_000;

const latencies = new Latencies();
let measureFrom = Infinity;
let measureTo = Infinity;
let counted = 0;

function onAck(/** @type {number} */ start, /** @type {number} */ now) {
  if (now >= measureFrom && now < measureTo) counted += 1;
  if (start >= measureFrom && start < measureTo) latencies.record(now - start);
}

/** Message n of connection c is the (n x connections + c)th of all: connections take turns, evenly spaced in time. */
let startedAt = 0;
const connections = Array.from({ length: connectionCount }, (_, c) => {
  const deviceIds = Array.from({ length: devicesEach }, (__, d) => deviceId(c + d * connectionCount));
  return new Connection({
    ring: buildRing({ deviceIds, prefix: options['topic-prefix'], size: ringSize, form }),
    window: Number(options.window),
    refill: Number(options.refill),
    startOf: rate === null ? null : (n) => startedAt + ((n * connectionCount + c) * 1_000) / rate,
    onAck,
  });
});

function deviceId(/** @type {number} */ n) {
  return `${options.name}-${String(n).padStart(5, '0')}`;
}

/** Lets each connection send its part of the first `total` messages. */
function release(/** @type {number} */ total, /** @type {number} */ now) {
  for (let c = 0; c < connectionCount; c += 1) {
    const connection = /** @type {Connection} */ (connections[c]);
    connection.due = Math.max(0, Math.ceil((total - c) / connectionCount));
    connection.pump(now);
  }
}

/** What the rate demands by now, in open loop. */
function releaseByRate(/** @type {number} */ now) {
  if (rate !== null) release(Math.floor(((now - startedAt) * rate) / 1_000), now);
}

async function run() {
  await Promise.all(
    connections.map((connection, c) =>
      connection.open({
        port,
        clientId: deviceId(c),
        keepalive: 600,
        password: options.password ?? null,
        onFailure: fail,
      }),
    ),
  );
  startedAt = performance.now();
  measureFrom = startedAt + warmup * 1_000;
  measureTo = measureFrom + seconds * 1_000;
  if (!paced) {
    for (const connection of connections) {
      connection.due = Infinity;
      connection.pump(startedAt);
    }
  }
  const credit = options.credit ? createInterface({ input: process.stdin }) : null;
  credit?.on('line', (line) => release(Number(line), performance.now()));

  await until(measureFrom);
  say({ event: 'measuring' });
  const cpuBefore = process.cpuUsage();
  await until(measureTo);
  const cpu = process.cpuUsage(cpuBefore);
  say({ event: 'measured' });

  const sentInTime = sum('sent');
  credit?.removeAllListeners('line').close();
  if (rate === null) for (const connection of connections) connection.due = connection.sent;
  else releaseByRate(measureTo);
  const behind = rate === null ? 0 : sum('due') - sentInTime;
  await drain();
  for (const connection of connections) connection.due = connection.sent;
  await drain();
  say({
    event: 'result',
    perSecond: counted / seconds,
    sent: sum('sent'),
    acknowledged: sum('acknowledged'),
    outOfOrder: sum('outOfOrder'),
    unknown: sum('unknown'),
    behind,
    generatorCpu: (cpu.user + cpu.system) / 1e6 / seconds,
    latencyMs: latencies.summary(),
  });
  await Promise.all(connections.map((connection) => connection.close()));
}

/** Waits, moving the open loop on about every millisecond. */
async function until(/** @type {number} */ time) {
  for (let now = performance.now(); now < time; now = performance.now()) {
    releaseByRate(now);
    await sleep(rate === null ? Math.min(50, time - now) : 1);
  }
}

/** @param {'due' | 'sent' | 'acknowledged' | 'outOfOrder' | 'unknown'} what */
function sum(what) {
  return connections.reduce((total, connection) => total + connection[what], 0);
}

/** Waits until all that is due was acknowledged, or for so long that it is an overload. */
async function drain() {
  const deadline = performance.now() + DRAIN_MS;
  while (sum('acknowledged') < sum('due') && performance.now() < deadline) await sleep(5);
}

function say(/** @type {object} */ line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** @returns {never} */
function fail(/** @type {Error} */ error) {
  process.stderr.write(`load: ${error.message}\n`);
  process.exit(1);
}

await run().catch(fail);
