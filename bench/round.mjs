import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { findMosquitto, startMosquitto } from './target/mosquitto.mjs';
import { countStored, newDataDirectory, startSignalbox } from './target/signalbox.mjs';

/**
 * What bench/load.mjs says at its end. Rates are per second, processor use is in cores.
 * @typedef {object} LoadResult
 * @property {number} perSecond
 * @property {number} sent
 * @property {number} acknowledged
 * @property {number} outOfOrder
 * @property {number} unknown
 * @property {number} behind messages of the open loop that were due and not yet sent when the time was up
 * @property {number} generatorCpu
 * @property {number} targetCpu
 * @property {number} othersCpu processes that are neither: where it is not about 0, the run was disturbed
 * @property {{ p50: number, p90: number, p99: number, p999: number, max: number }} latencyMs
 */

/**
 * @typedef {object} Load
 * @property {number} seconds measured
 * @property {number} warmup seconds before that
 * @property {number} [devices] over all connections; one per connection where missing
 * @property {number} [rate] messages per second, open loop; closed loop where missing
 * @property {'flat' | 'envelope'} [form]
 */

const generator = fileURLToPath(new URL('load.mjs', import.meta.url));
let loads = 0;

/** The Mosquitto to compare with, or null. */
export const mosquittoPath = findMosquitto();

/**
 * Starts Mosquitto, loads it, stops it. `noDelay`: acknowledgements go out one segment each (`set_tcp_nodelay`).
 * @param {import('./bench.mjs').Bench} bench
 * @param {Load} load
 * @param {{ noDelay: boolean }} options
 */
export async function mosquittoRound(bench, load, { noDelay }) {
  if (mosquittoPath === null) throw new Error('Mosquitto is not installed');
  const { target, mqttPort } = await startMosquitto({ path: mosquittoPath, directory: bench.directory, noDelay });
  try {
    const result = await runLoad(target, mqttPort, load);
    await target.stop();
    assertAcknowledged(target.name, result);
    noteDisturbance(bench, result);
    return result;
  } finally {
    target.kill();
  }
}

/**
 * Starts Signalbox on an empty data directory, loads it, stops it, and proves that what it acknowledged, and nothing else, is on
 * disk; throws otherwise. `during` runs beside the load.
 * @param {import('./bench.mjs').Bench} bench
 * @param {Load} load
 * @param {(target: import('./target/process.mjs').TargetProcess) => Promise<void>} [during]
 */
export async function signalboxRound(bench, load, during) {
  const dataDirectory = newDataDirectory(bench.directory);
  const { target, mqttPort } = await startSignalbox(dataDirectory);
  try {
    const [result] = await Promise.all([runLoad(target, mqttPort, load), during?.(target)]);
    await target.stop();
    assertAcknowledged(target.name, result);
    noteDisturbance(bench, result);
    assertConserved(result, countStored(dataDirectory));
    return result;
  } catch (error) {
    throw target.output === '' ? error : new Error(`${String(error)}\n${target.output}`, { cause: error });
  } finally {
    target.kill();
    rmSync(dataDirectory, { recursive: true, force: true });
  }
}

/**
 * Runs the load generator against a port. Client ids and device ids are new each time.
 * @param {import('./target/process.mjs').TargetProcess} target
 * @param {number} port
 * @param {Load} load
 * @returns {Promise<LoadResult>}
 */
async function runLoad(target, port, load) {
  loads += 1;
  const options = { port, name: `bench-${process.pid}-${loads}`, ...load };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = spawn(process.execPath, [generator, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(child, 'exit');
  const cpu = () => ({ target: target.cpuSeconds(), machine: machineCpuSeconds() });
  let before = cpu();
  let after = before;
  /** @type {LoadResult | null} */
  let result = null;
  for await (const line of createInterface({ input: child.stdout })) {
    const { event, ...rest } = JSON.parse(line);
    if (event === 'measuring') before = cpu();
    if (event === 'measured') after = cpu();
    if (event === 'result') {
      const targetCpu = (after.target - before.target) / load.seconds;
      const machineCpu = (after.machine - before.machine) / load.seconds;
      result = { ...rest, targetCpu, othersCpu: Math.max(0, machineCpu - targetCpu - rest.generatorCpu) };
    }
  }
  const [code] = await exit;
  if (code !== 0 || result === null) throw new Error(`the load generator ended with code ${code}`);
  return result;
}

/** Processor seconds that all processes together have used, those stolen by other machines included. */
function machineCpuSeconds() {
  const [user = 0, nice = 0, system = 0, , , , , steal = 0] =
    readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]?.split(/\s+/).slice(1).map(Number) ?? [];
  return (user + nice + system + steal) / 100;
}

/** MQTT-4.6.0-2: PUBACKs come in the order of the PUBLISH packets, one each. */
function assertAcknowledged(/** @type {string} */ name, /** @type {LoadResult} */ result) {
  const { sent, acknowledged, outOfOrder, unknown } = result;
  if (acknowledged === sent && outOfOrder === 0 && unknown === 0) return;
  throw new Error(
    `${name}: of ${sent} messages ${acknowledged} were acknowledged, ${outOfOrder} out of order; ` +
      `${unknown} acknowledgements were for nothing in flight`,
  );
}

/** Keeps the worst, for the last line of the report. */
function noteDisturbance(
  /** @type {import('./bench.mjs').Bench} */ { shared },
  /** @type {LoadResult} */ { othersCpu },
) {
  shared.othersCpu = Math.max(shared.othersCpu ?? 0, othersCpu);
}

function assertConserved(
  /** @type {LoadResult} */ { acknowledged },
  /** @type {{ readings: number, rejects: number }} */ stored,
) {
  if (stored.readings === acknowledged && stored.rejects === 0) return;
  throw new Error(`NOT CONSERVED: ${acknowledged} acknowledged, ${stored.readings} stored, ${stored.rejects} rejected`);
}
