import { rmSync } from 'node:fs';
import { median, perSecond, repeat, row, verdict } from '../bench.mjs';
import { commandRound, emptyRound, readRound } from '../rest-round.mjs';
import { fillDatabase, newDataDirectory, startSignalbox } from '../target/signalbox.mjs';

const CREATE_TARGET = 0.3;
const SENSORS_TARGET = 0.7;
const READINGS = 10_000;
const DEVICES = 100;
/** Without devices commands stay open, 100 of a device at most. */
const DEVICES_AWAY = 5_000;
const title = 'REST requests';

/** @typedef {import('../load-process.mjs').RestResult} RestResult */
/** @typedef {{ signalbox: RestResult[], empty: RestResult[] }} Sides */

/**
 * Requests answered per second, 50 keep-alive connections with one request at a time each, against a route of Nest on Fastify
 * that does nothing and answers with the same bytes.
 * @type {import('../bench.mjs').Measure}
 */
export const p6 = {
  id: 'P6',
  title,
  async run(bench) {
    const { seconds, warmup } = bench;
    const create = { seconds, warmup, expect: 202, devices: DEVICES };
    const away = { ...create, devices: DEVICES_AWAY };
    const sensors = { seconds, warmup, expect: 200, path: '/sensors' };
    /** @type {Record<'create' | 'away' | 'sensors', Sides>} */
    const raw = {
      create: { signalbox: [], empty: [] },
      away: { signalbox: [], empty: [] },
      sensors: { signalbox: [], empty: [] },
    };
    const filled = await filledDirectory(bench);
    try {
      await repeat(bench.rounds, async (round) => {
        const tell = (/** @type {string} */ what, /** @type {RestResult} */ result) =>
          bench.say(`round ${round}, ${what}: ${describe(result)}`);
        const created = await commandRound(bench, create);
        raw.create.signalbox.push(created);
        tell('commands', created);
        const createdAway = await commandRound(bench, away, { devicesConnected: false });
        raw.away.signalbox.push(createdAway);
        tell('commands, devices away', createdAway);
        const emptyCreate = await emptyRound(bench, create, created.sample);
        raw.create.empty.push(emptyCreate);
        raw.away.empty.push(emptyCreate);
        tell('empty route', emptyCreate);
        const read = await readRound(bench, filled, sensors);
        raw.sensors.signalbox.push(read);
        tell('sensors', read);
        const emptyRead = await emptyRound(bench, sensors, read.sample);
        raw.sensors.empty.push(emptyRead);
        tell('empty route', emptyRead);
      });
    } finally {
      rmSync(filled, { recursive: true, force: true });
    }
    const rows = [
      line('commands created, each brought to its end', raw.create, CREATE_TARGET),
      line('commands created, devices away', raw.away, CREATE_TARGET),
      line('GET /sensors, 20 readings', raw.sensors, SENSORS_TARGET),
    ];
    return { rows, raw };
  },
};

async function filledDirectory(/** @type {import('../bench.mjs').Bench} */ bench) {
  const dataDirectory = newDataDirectory(bench.directory);
  const { target } = await startSignalbox(dataDirectory);
  await target.stop();
  fillDatabase({ dataDirectory, rows: READINGS, devices: DEVICES });
  return dataDirectory;
}

function line(/** @type {string} */ what, /** @type {Sides} */ { signalbox, empty }, /** @type {number} */ least) {
  const rate = (/** @type {RestResult[]} */ results) => median(results.map((result) => result.perSecond));
  const ratio = rate(signalbox) / rate(empty);
  return row({
    id: 'P6',
    what,
    measured: perSecond(rate(signalbox)),
    against: `empty route ${perSecond(rate(empty))}`,
    figure: ratio.toFixed(2),
    target: `>= ${least}`,
    verdict: verdict(ratio >= least),
  });
}

function describe(/** @type {RestResult} */ result) {
  const { perSecond: rate, endedPerSecond, mostOpen, openAtEnd, received, targetCpu, generatorCpu, othersCpu } = result;
  const cores = `cores ${targetCpu.toFixed(2)}, generator ${generatorCpu.toFixed(2)}, others ${othersCpu.toFixed(2)}`;
  const ends =
    received === 0 ? '' : `, ${perSecond(endedPerSecond)} ended, at most ${mostOpen} open, ${openAtEnd} at the end`;
  return `${perSecond(rate)}${ends} (${cores})`;
}
