import { median, perSecond, repeat, row, verdict } from '../bench.mjs';
import { commandRound } from '../rest-round.mjs';

const TARGET_MS = 15;
const RATE = 500;
const DEVICES = 100;
/** Below this share of the demanded rate the latency is that of an overload, not of the rate. */
const CARRIED = 0.99;
const title = `p99 command to result at ${RATE}/s`;

/**
 * From the REST request of a command with `Prefer: wait=10` to the answer with what the device said, in open loop: each counts
 * from when it should have gone, so a stall is seen by all that it held up.
 * @type {import('../bench.mjs').Measure}
 */
export const p7 = {
  id: 'P7',
  title,
  async run(bench) {
    const { seconds, warmup } = bench;
    const load = { seconds, warmup, expect: 201, devices: DEVICES, wait: 10, rate: RATE };
    /** @type {import('../load-process.mjs').RestResult[]} */
    const raw = [];
    await repeat(bench.rounds, async (round) => {
      const result = await commandRound(bench, load);
      raw.push(result);
      const cores = `cores ${result.targetCpu.toFixed(2)}, generator ${result.generatorCpu.toFixed(2)}`;
      bench.say(`round ${round}: ${JSON.stringify(result.latencyMs)} ms (${cores})`);
    });
    const p99 = median(raw.map(({ latencyMs }) => latencyMs.p99));
    const p50 = median(raw.map(({ latencyMs }) => latencyMs.p50));
    const carried = median(raw.map((result) => result.perSecond)) >= RATE * CARRIED;
    const cells = {
      id: 'P7',
      what: title,
      measured: `${p99.toFixed(1)} ms (median ${p50.toFixed(1)})${carried ? '' : `, ${perSecond(RATE)} not carried`}`,
      figure: `${p99.toFixed(1)} ms`,
      target: `<= ${TARGET_MS} ms`,
      verdict: verdict(carried && p99 <= TARGET_MS),
    };
    return { rows: [row(cells)], raw };
  },
};
