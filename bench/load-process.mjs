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

/**
 * Paces a load by what becomes of its messages. `run` allows totals until the load is measured; `on` is told the events of the load.
 * @typedef {object} Pace
 * @property {(allow: (total: number) => void) => Promise<void>} run
 * @property {(event: string) => Promise<void>} on
 */

const generator = fileURLToPath(new URL('load.mjs', import.meta.url));
let loads = 0;

/**
 * Runs the load generator against a port. Client ids and device ids are new each time.
 * @param {readonly import('./target/process.mjs').TargetProcess[]} targets whose processor time is the target's
 * @param {number} port
 * @param {Load} load
 * @param {Pace} [pace] the load then sends only what this allows
 * @returns {Promise<LoadResult>}
 */
export async function runLoad(targets, port, load, pace) {
  loads += 1;
  const options = { port, name: `bench-${process.pid}-${loads}`, ...load };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  if (pace) args.push('--credit');
  const child = spawn(process.execPath, [generator, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
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
  /** @type {LoadResult | null} */
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
  /** @type {LoadResult} */ { othersCpu },
) {
  shared.othersCpu = Math.max(shared.othersCpu ?? 0, othersCpu);
}
