import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { median, repeat, row, verdict } from '../bench.mjs';
import { assertAcknowledged, noteDisturbance, runLoad } from '../load-process.mjs';
import { PASSWORD, registerDevices } from '../target/registry.mjs';
import { newDataDirectory, startSignalbox } from '../target/signalbox.mjs';

const RATE = 1_000;
const NEIGHBOURS = 50;
const OFFENDERS = 20;
const TARGET = 2;
/** What misbehaves beside them; null: nobody. */
const KINDS = /** @type {const} */ ([null, 'logins', 'flapping', 'flood']);
const WHAT = { logins: 'wrong logins', flapping: 'clients that flap', flood: 'devices that flood' };
const title = `neighbours of offenders: p99 of publish to PUBACK at ${RATE}/s`;
const program = fileURLToPath(new URL('../offender.mjs', import.meta.url));

/**
 * 50 devices within their rate, logged in, alone and beside one kind of offender each; with the limits as they come.
 * @type {import('../bench.mjs').Measure}
 */
export const p12 = {
  id: 'P12',
  title,
  async run(bench) {
    /** @type {Record<string, import('../load-process.mjs').LatencySummary[]>} */
    const raw = Object.fromEntries(KINDS.map((kind) => [kind ?? 'alone', []]));
    await repeat(bench.rounds, async (round) => {
      for (const kind of KINDS) {
        const { latencyMs } = await neighbourRound(bench, kind);
        raw[kind ?? 'alone']?.push(latencyMs);
        bench.say(`round ${round}, ${kind ?? 'alone'}: ${JSON.stringify(latencyMs)} ms`);
      }
    });
    const p99 = (/** @type {string} */ kind) => median((raw[kind] ?? []).map((one) => one.p99));
    const alone = p99('alone');
    const rows = Object.entries(WHAT).map(([kind, what]) => {
      const beside = p99(kind);
      return row({
        id: 'P12',
        what: `neighbours of ${what}, p99`,
        measured: `${beside.toFixed(1)} ms`,
        against: `alone ${alone.toFixed(1)} ms`,
        figure: `x ${(beside / alone).toFixed(2)}`,
        target: `<= x ${TARGET}`,
        verdict: verdict(beside <= alone * TARGET),
      });
    });
    return { rows, raw };
  },
};

async function neighbourRound(
  /** @type {import('../bench.mjs').Bench} */ bench,
  /** @type {(typeof KINDS)[number]} */ kind,
) {
  const dataDirectory = newDataDirectory(bench.directory);
  const { target: first } = await startSignalbox(dataDirectory);
  await first.stop();
  registerDevices({ dataDirectory, name: 'neighbour', count: NEIGHBOURS });
  registerDevices({ dataDirectory, name: 'offender', count: OFFENDERS });
  const settings = { ACCESS: 'required', MQTT_DEVICE_RATE: '100' };
  const { target, mqttPort } = await startSignalbox(dataDirectory, settings);
  const offender = kind && startOffender(kind, mqttPort);
  try {
    const { seconds, warmup } = bench;
    const load = { seconds, warmup, rate: RATE, name: 'neighbour', password: PASSWORD };
    const result = await runLoad([target], mqttPort, load);
    await offender?.end();
    await target.stop();
    assertAcknowledged(target.name, result);
    if (!kind) noteDisturbance(bench, result);
    return result;
  } finally {
    offender?.kill();
    target.kill();
    rmSync(dataDirectory, { recursive: true, force: true });
  }
}

function startOffender(/** @type {string} */ kind, /** @type {number} */ port) {
  const options = ['--kind', kind, '--port', String(port), '--password', PASSWORD];
  const child = spawn(process.execPath, [program, ...options], { stdio: ['pipe', 'ignore', 'inherit'] });
  const ended = once(child, 'exit');
  return {
    async end() {
      child.stdin.end();
      const [code] = await ended;
      if (code !== 0) throw new Error(`the offender ended with ${code}`);
    },
    kill() {
      child.kill('SIGKILL');
    },
  };
}
