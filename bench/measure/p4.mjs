import { median, perSecond, repeat, row, verdict } from '../bench.mjs';
import { mosquittoPath, mosquittoRound, signalboxRound } from '../round.mjs';

const TARGET_MS = 25;
/** Below this share of the demanded rate the latency is that of an overload, not of the rate. */
const CARRIED = 0.99;
const title = 'p99 publish to PUBACK at half the P1 rate';

/**
 * Latency in open loop: each message counts from when it should have gone, so a stall is seen by all that it held up. Mosquitto
 * at the same rate shows how much of it is the generator's and the machine's.
 * @type {import('../bench.mjs').Measure}
 */
export const p4 = {
  id: 'P4',
  title,
  async run(bench) {
    const { seconds, warmup } = bench;
    const full = (bench.shared.signalboxRate ??= (await signalboxRound(bench, { seconds, warmup })).perSecond);
    const rate = Math.round(full / 2);
    /** @type {Record<'mosquitto' | 'signalbox', import('../load-process.mjs').LoadResult[]>} */
    const raw = { mosquitto: [], signalbox: [] };
    const p99 = (/** @type {keyof raw} */ side) => median(raw[side].map((result) => result.latencyMs.p99));
    await repeat(bench.rounds, async (round) => {
      raw.signalbox.push(await signalboxRound(bench, { seconds, warmup, rate }));
      bench.say(`round ${round}: ${JSON.stringify(raw.signalbox.at(-1)?.latencyMs)} ms at ${perSecond(rate)}`);
    });
    if (mosquittoPath !== null) {
      raw.mosquitto.push(await mosquittoRound(bench, { seconds, warmup, rate }, { noDelay: true }));
    }
    const carried = median(raw.signalbox.map((result) => result.perSecond)) >= rate * CARRIED;
    const cells = {
      id: 'P4',
      what: title,
      measured: `${p99('signalbox').toFixed(1)} ms at ${perSecond(rate)}${carried ? '' : ', which it did not carry'}`,
      against: mosquittoPath === null ? '' : `Mosquitto ${p99('mosquitto').toFixed(1)} ms`,
      figure: `${p99('signalbox').toFixed(1)} ms`,
      target: `<= ${TARGET_MS} ms`,
      verdict: verdict(carried && p99('signalbox') <= TARGET_MS),
    };
    return { rows: [row(cells)], raw };
  },
};
