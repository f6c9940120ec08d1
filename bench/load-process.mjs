import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

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
 * @property {LatencySummary} latencyMs
 */

/**
 * Milliseconds.
 * @typedef {Record<'p50' | 'p90' | 'p99' | 'p999' | 'max', number>} LatencySummary
 */

/**
 * What bench/rest-load.mjs says at its end. A command is open from the answer to its creation until its device's answer was
 * acknowledged; these are counted only where the devices belong to the load.
 * @typedef {object} RestResult
 * @property {number} perSecond requests answered
 * @property {number} endedPerSecond commands
 * @property {number} sent
 * @property {number} answered
 * @property {number} ended
 * @property {number} received commands that came to the devices
 * @property {number} mostOpen
 * @property {number} openAtEnd of the measured time
 * @property {number} generatorCpu
 * @property {number} targetCpu
 * @property {number} othersCpu
 * @property {LatencySummary} latencyMs
 * @property {string} sample body of the first answer
 */

/**
 * @typedef {object} RestLoad
 * @property {number} seconds measured
 * @property {number} warmup seconds before that
 * @property {number} expect status of every answer; any other fails the load
 * @property {string} [path] to get; commands are created where missing
 * @property {number} [mqtt] port at which the devices of the commands connect; there are none where missing
 * @property {number} [devices] to which the commands go in turn
 * @property {number} [wait] seconds of `Prefer: wait`
 * @property {number} [rate] requests per second, open loop; closed loop where missing
 */

/**
 * @typedef {object} Load
 * @property {number} seconds measured
 * @property {number} warmup seconds before that
 * @property {number} [devices] over all connections; one per connection where missing
 * @property {number} [rate] messages per second, open loop; closed loop where missing
 * @property {'flat' | 'envelope'} [form]
 * @property {string} [name] before the numbers of its devices; a new one where missing
 * @property {string} [password] of all devices; they do not log in where missing
 */

/**
 * Paces a load by what becomes of its messages. `run` allows totals until the load is measured; `on` is told the events of the load.
 * @typedef {object} Pace
 * @property {(allow: (total: number) => void) => Promise<void>} run
 * @property {(event: string) => Promise<void>} on
 */

const generators = {
  mqtt: fileURLToPath(new URL('load.mjs', import.meta.url)),
  rest: fileURLToPath(new URL('rest-load.mjs', import.meta.url)),
};
let loads = 0;

/**
 * Runs the MQTT load generator against a port. Client ids and device ids are new each time.
 * @param {readonly import('./target/process.mjs').TargetProcess[]} targets whose processor time is the target's
 * @param {number} port
 * @param {Load} load
 * @param {Pace} [pace] the load then sends only what this allows
 * @returns {Promise<LoadResult>}
 */
export function runLoad(targets, port, load, pace) {
  return runGenerator('mqtt', targets, { port, ...load }, pace);
}

/**
 * Runs the REST load generator against a port. Device ids are new each time. Rejects where an answer was not as expected.
 * @param {readonly import('./target/process.mjs').TargetProcess[]} targets whose processor time is the target's
 * @param {number} port
 * @param {RestLoad} load
 * @returns {Promise<RestResult>}
 */
export function runRestLoad(targets, port, load) {
  return runGenerator('rest', targets, { port, ...load });
}

/**
 * @param {keyof typeof generators} kind
 * @param {readonly import('./target/process.mjs').TargetProcess[]} targets
 * @param {{ port: number, seconds: number }} load
 * @param {Pace} [pace]
 */
async function runGenerator(kind, targets, load, pace) {
  loads += 1;
  const options = { name: `bench-${process.pid}-${loads}`, ...load };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  if (pace) args.push('--credit');
  const child = spawn(process.execPath, [generators[kind], ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exit = once(child, 'exit');
  child.stdin.on('error', () => undefined);
  const pacing = pace?.run((total) => child.stdin.write(`${total}\n`));
  // Seen when it is awaited below: until then the load goes on with what it was allowed.
  pacing?.catch(() => undefined);
  const cpu = () => ({
    target: targets.reduce((sum, target) => sum + target.cpuSeconds(), 0),
    machine: machineCpuSeconds(),
  });
  let before = cpu();
  let after = before;
  let result = null;
  for await (const line of createInterface({ input: child.stdout })) {
    const { event, ...rest } = JSON.parse(line);
    if (event === 'measuring') before = cpu();
    if (event === 'measured') after = cpu();
    await pace?.on(event);
    if (event === 'result') {
      const targetCpu = (after.target - before.target) / load.seconds;
      const machineCpu = (after.machine - before.machine) / load.seconds;
      result = { ...rest, targetCpu, othersCpu: Math.max(0, machineCpu - targetCpu - rest.generatorCpu) };
    }
  }
  const [code] = await exit;
  await pacing;
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
export function assertAcknowledged(/** @type {string} */ name, /** @type {LoadResult} */ result) {
  const { sent, acknowledged, outOfOrder, unknown } = result;
  if (acknowledged === sent && outOfOrder === 0 && unknown === 0) return;
  throw new Error(
    `${name}: of ${sent} messages ${acknowledged} were acknowledged, ${outOfOrder} out of order; ` +
      `${unknown} acknowledgements were for nothing in flight`,
  );
}

/** Keeps the worst, for the last line of the report. */
export function noteDisturbance(
  /** @type {import('./bench.mjs').Bench} */ { shared },
  /** @type {{ othersCpu: number }} */ { othersCpu },
) {
  shared.othersCpu = Math.max(shared.othersCpu ?? 0, othersCpu);
}
