// The load generator of the REST API, a process of its own: node bench/rest-load.mjs --port 3000 [options]. Keep-alive connections
// with one request at a time each. Writes one JSON line when the measured window begins, one when it ends, and one with the result.
// Exit code 1 with a message where the load could not be carried. Closed loop; open loop with --rate.
// With --path it gets that path; without, it creates commands. With --mqtt it is their devices as well, which answer at once.
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { Device } from './load/device.mjs';
import { HttpConnection, httpRequest } from './load/http-connection.mjs';
import { Latencies } from './load/latencies.mjs';

const { values: options } = parseArgs({
  options: {
    port: { type: 'string' },
    mqtt: { type: 'string' },
    path: { type: 'string' },
    connections: { type: 'string', default: '50' },
    devices: { type: 'string', default: '100' },
    wait: { type: 'string' },
    expect: { type: 'string', default: '200' },
    rate: { type: 'string' },
    warmup: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '10' },
    name: { type: 'string', default: `load-${process.pid}` },
    'topic-prefix': { type: 'string', default: 'devices' },
  },
});

const port = Number(options.port);
const seconds = Number(options.seconds);
const warmup = Number(options.warmup);
const rate = options.rate === undefined ? null : Number(options.rate);
const expected = Number(options.expect);
const deviceIds = Array.from(
  { length: Number(options.devices) },
  (_, n) => `${options.name}-${String(n).padStart(5, '0')}`,
);
const requests = options.path === undefined ? deviceIds.map(createCommand) : [httpRequest('GET', options.path)];
/** As requests do: beyond this a command or an answer was lost. */
const DRAIN_MS = 15_000;

const latencies = new Latencies();
let startedAt = 0;
let measureFrom = Infinity;
let measureTo = Infinity;
let stopped = false;
/** Requests begun, and those answered with the expected status: in all, and in the measured time. */
let sent = 0;
let answered = 0;
let counted = 0;
/** Commands that have ended (their device's answer was acknowledged): in all, and in the measured time. */
let ended = 0;
let endedInTime = 0;
let mostOpen = 0;
let sample = '';

const devices =
  options.mqtt === undefined
    ? []
    : deviceIds.map((id) => new Device({ id, prefix: options['topic-prefix'], onAcknowledged: onEnd }));
const connections = Array.from({ length: Number(options.connections) }, () => new HttpConnection());
/** Those without a request, in open loop. */
const idle = rate === null ? [] : [...connections];

function createCommand(/** @type {string} */ deviceId) {
  /** @type {Record<string, string>} */
  const headers = options.wait === undefined ? {} : { prefer: `wait=${options.wait}` };
  // So long that none is over before it is counted.
  const body = { type: 'TURN_ON_FAN', params: { speed: 3 }, ttlMs: 3_600_000 };
  return httpRequest('POST', `/v1/devices/${deviceId}/commands`, { body, headers });
}

/** Sends the next request, the devices taking turns. `start`: from when its latency counts. */
function send(/** @type {HttpConnection} */ connection, /** @type {number} */ start) {
  const request = /** @type {Buffer} */ (requests[sent % requests.length]);
  sent += 1;
  connection.request(request, (answer) => {
    const now = performance.now();
    onAnswer(answer, start, now);
    if (rate === null && !stopped) return send(connection, now);
    if (rate === null) return;
    idle.push(connection);
    releaseByRate(now);
  });
}

function onAnswer(
  /** @type {import('./load/http-connection.mjs').HttpAnswer} */ answer,
  /** @type {number} */ start,
  /** @type {number} */ now,
) {
  if (answer.status !== expected) fail(new Error(`answered ${answer.status}, not ${expected}: ${answer.text()}`));
  answered += 1;
  if (answered === 1) sample = answer.text();
  if (now >= measureFrom && now < measureTo) counted += 1;
  if (start >= measureFrom && start < measureTo) latencies.record(now - start);
  mostOpen = Math.max(mostOpen, answered - ended);
}

function onEnd() {
  ended += 1;
  const now = performance.now();
  if (now >= measureFrom && now < measureTo) endedInTime += 1;
}

/** Sends what the rate demands by now; what finds no free connection waits, and its latency counts all the same. */
function releaseByRate(/** @type {number} */ now) {
  if (rate === null) return;
  const due = Math.floor(((Math.min(now, measureTo) - startedAt) * rate) / 1_000);
  for (let connection; sent < due && (connection = idle.pop());) send(connection, startedAt + (sent * 1_000) / rate);
}

async function run() {
  await Promise.all(
    devices.map((device) => device.open({ port: Number(options.mqtt), keepalive: 600, onFailure: fail })),
  );
  await Promise.all(connections.map((connection) => connection.open({ port, onFailure: fail })));
  startedAt = performance.now();
  measureFrom = startedAt + warmup * 1_000;
  measureTo = measureFrom + seconds * 1_000;
  if (rate === null) for (const connection of connections) send(connection, startedAt);

  await until(measureFrom);
  say({ event: 'measuring' });
  const cpuBefore = process.cpuUsage();
  await until(measureTo);
  const cpu = process.cpuUsage(cpuBefore);
  say({ event: 'measured' });
  stopped = true;
  const open = Math.max(0, answered - ended);
  await drain();
  say({
    event: 'result',
    perSecond: counted / seconds,
    endedPerSecond: endedInTime / seconds,
    sent,
    answered,
    ended,
    received: devices.reduce((sum, device) => sum + device.received, 0),
    mostOpen: devices.length === 0 ? 0 : mostOpen,
    openAtEnd: devices.length === 0 ? 0 : open,
    generatorCpu: (cpu.user + cpu.system) / 1e6 / seconds,
    latencyMs: latencies.summary(),
    sample,
  });
  for (const connection of connections) connection.close();
  for (const device of devices) device.close();
}

/** Waits, moving the open loop on about every millisecond. */
async function until(/** @type {number} */ time) {
  for (let now = performance.now(); now < time; now = performance.now()) {
    releaseByRate(now);
    await sleep(rate === null ? Math.min(50, time - now) : 1);
  }
}

/** Waits until all that was due is answered, and every command has ended where its device is here. */
async function drain() {
  const deadline = performance.now() + DRAIN_MS;
  const due = () => (rate === null ? sent : Math.floor(((measureTo - startedAt) * rate) / 1_000));
  const isDone = () => answered === due() && (devices.length === 0 || ended >= answered);
  for (let now = performance.now(); !isDone() && now < deadline; now = performance.now()) {
    releaseByRate(now);
    await sleep(5);
  }
}

function say(/** @type {object} */ line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** @returns {never} */
function fail(/** @type {Error} */ error) {
  process.stderr.write(`rest-load: ${error.message}\n`);
  process.exit(1);
}

await run().catch(fail);
