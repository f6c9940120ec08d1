import { rmSync } from 'node:fs';
import { median, repeat, row, verdict } from '../bench.mjs';
import { fillDatabase, newDataDirectory, startSignalbox } from '../target/signalbox.mjs';

const EMPTY_TARGET_MS = 1_500;
const FILLED_TARGET_MS = 2_000;
const DEVICES = 1_000;
const title = 'start to ready';

/**
 * From the spawn of `node dist/main.js` to the first 200 of `GET /readyz`: on a directory that does not exist yet, tables and
 * all, and on a database that holds readings.
 * @type {import('../bench.mjs').Measure}
 */
export const p10 = {
  id: 'P10',
  title,
  async run(bench) {
    const raw = { empty: await startEmpty(bench), filled: bench.rows > 0 ? await startFilled(bench) : [] };
    const rows = [line('empty', raw.empty, EMPTY_TARGET_MS)];
    if (bench.rows > 0) rows.push(line(`${bench.rows.toLocaleString('en-US')} rows`, raw.filled, FILLED_TARGET_MS));
    return { rows, raw };
  },
};

async function startEmpty(/** @type {import('../bench.mjs').Bench} */ bench) {
  /** @type {number[]} */
  const times = [];
  await repeat(bench.rounds, async () => {
    const dataDirectory = newDataDirectory(bench.directory);
    times.push(await startOnce(dataDirectory));
    rmSync(dataDirectory, { recursive: true, force: true });
  });
  bench.say(`empty: ${times.map(Math.round).join(', ')} ms`);
  return times;
}

async function startFilled(/** @type {import('../bench.mjs').Bench} */ bench) {
  const dataDirectory = newDataDirectory(bench.directory);
  /** @type {number[]} */
  const times = [];
  try {
    await startOnce(dataDirectory);
    bench.say(`filling ${bench.rows.toLocaleString('en-US')} rows ...`);
    fillDatabase({ dataDirectory, rows: bench.rows, devices: DEVICES });
    await repeat(bench.rounds, async () => {
      times.push(await startOnce(dataDirectory));
    });
  } finally {
    rmSync(dataDirectory, { recursive: true, force: true });
  }
  bench.say(`filled: ${times.map(Math.round).join(', ')} ms`);
  return times;
}

async function startOnce(/** @type {string} */ dataDirectory) {
  const { target } = await startSignalbox(dataDirectory);
  await target.stop();
  return target.readyMs;
}

function line(/** @type {string} */ database, /** @type {readonly number[]} */ times, /** @type {number} */ targetMs) {
  const figure = `${Math.round(median(times))} ms`;
  return row({
    id: 'P10',
    what: `${title}, ${database}`,
    measured: figure,
    figure,
    target: `<= ${targetMs} ms`,
    verdict: verdict(median(times) <= targetMs),
  });
}
