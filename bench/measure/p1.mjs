import { median, perSecond, repeat, row, verdict } from '../bench.mjs';
import { mosquittoPath, mosquittoRound, signalboxRound } from '../round.mjs';

const TARGET = 0.5;
const title = 'readings acknowledged, 50 devices';

/**
 * Readings acknowledged per second, each one committed, against Mosquitto acknowledging the same load without storing it: once
 * as it comes, where the kernel joins acknowledgements into one segment while others are on their way (Nagle), and once with
 * `set_tcp_nodelay`, where each leaves at once.
 * @type {import('../bench.mjs').Measure}
 */
export const p1 = {
  id: 'P1',
  title,
  async run(bench) {
    const { seconds, warmup } = bench;
    const load = { seconds, warmup };
    /** @type {Record<'mosquitto' | 'signalbox' | 'noDelay', import('../load-process.mjs').LoadResult[]>} */
    const raw = { mosquitto: [], signalbox: [], noDelay: [] };
    const rate = (/** @type {keyof raw} */ side) => median(raw[side].map((result) => result.perSecond));
    await repeat(bench.rounds, async (round) => {
      if (mosquittoPath !== null) raw.mosquitto.push(await mosquittoRound(bench, load, { noDelay: false }));
      raw.signalbox.push(await signalboxRound(bench, load));
      if (mosquittoPath !== null) raw.noDelay.push(await mosquittoRound(bench, load, { noDelay: true }));
      for (const [side, results] of Object.entries(raw))
        bench.say(`round ${round}, ${side}: ${describe(results.at(-1))}`);
    });
    bench.shared.signalboxRate = rate('signalbox');
    const measured = perSecond(rate('signalbox'));
    const target = `>= ${TARGET}`;
    if (mosquittoPath === null) {
      return {
        rows: [row({ id: 'P1', what: title, measured, against: 'Mosquitto is missing', verdict: 'skipped' })],
        raw,
      };
    }
    const compare = (/** @type {'mosquitto' | 'noDelay'} */ side, /** @type {string} */ name) => {
      const ratio = rate('signalbox') / rate(side);
      const against = `${name} ${perSecond(rate(side))}`;
      return row({
        id: 'P1',
        what: title,
        measured,
        against,
        figure: ratio.toFixed(2),
        target,
        verdict: verdict(ratio >= TARGET),
      });
    };
    return { rows: [compare('mosquitto', 'Mosquitto'), compare('noDelay', 'Mosquitto, no delay')], raw };
  },
};

function describe(/** @type {import('../load-process.mjs').LoadResult | undefined} */ result) {
  if (!result) return '-';
  const { targetCpu, generatorCpu, othersCpu } = result;
  const cores = `cores ${targetCpu.toFixed(2)}, generator ${generatorCpu.toFixed(2)}, others ${othersCpu.toFixed(2)}`;
  return `${perSecond(result.perSecond)} (${cores})`;
}
