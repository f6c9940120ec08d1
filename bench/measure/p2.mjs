import { plainRound, storingRound } from '../broker-round.mjs';
import { median, perSecond, repeat, row, verdict } from '../bench.mjs';
import { mosquittoPath } from '../round.mjs';

const TARGET = 1;
const title = 'readings stored through Mosquitto, 50 devices';

/**
 * Readings per second that arrive in SQLite through Mosquitto's shared subscription, against a plain MQTT.js subscriber that
 * only counts them. All that Mosquitto acknowledged must be there at the end, once each.
 * @type {import('../bench.mjs').Measure}
 */
export const p2 = {
  id: 'P2',
  title,
  async run(bench) {
    const { seconds, warmup } = bench;
    /** @type {Record<'plain' | 'signalbox', import('../broker-round.mjs').BrokerResult[]>} */
    const raw = { plain: [], signalbox: [] };
    if (mosquittoPath === null) {
      return { rows: [row({ id: 'P2', what: title, against: 'Mosquitto is missing', verdict: 'skipped' })], raw };
    }
    await repeat(bench.rounds, async (round) => {
      raw.plain.push(await plainRound(bench, { seconds, warmup }));
      bench.say(`round ${round}, plain subscriber: ${describe(raw.plain.at(-1))}`);
      raw.signalbox.push(await storingRound(bench, { seconds, warmup }, 'sqlite'));
      bench.say(`round ${round}, Signalbox: ${describe(raw.signalbox.at(-1))}`);
    });
    const rate = (/** @type {keyof raw} */ side) => median(raw[side].map((result) => result.consumedPerSecond));
    const ratio = rate('signalbox') / rate('plain');
    const cells = {
      id: 'P2',
      what: title,
      measured: `${perSecond(rate('signalbox'))}, none lost`,
      against: `plain MQTT.js subscriber ${perSecond(rate('plain'))}`,
      figure: ratio.toFixed(2),
      target: `>= ${TARGET.toFixed(1)}`,
      verdict: verdict(ratio >= TARGET),
    };
    return { rows: [row(cells)], raw };
  },
};

/** For the progress of a round through a broker. */
export function describe(/** @type {import('../broker-round.mjs').BrokerResult | undefined} */ result) {
  if (!result) return '-';
  const { targetCpu, generatorCpu, othersCpu } = result;
  const cores = `cores ${targetCpu.toFixed(2)}, generator ${generatorCpu.toFixed(2)}, others ${othersCpu.toFixed(2)}`;
  return `${perSecond(result.consumedPerSecond)} (${cores})`;
}
