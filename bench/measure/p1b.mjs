import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { median, perSecond, repeat, row, verdict } from '../bench.mjs';
import { signalboxRound } from '../round.mjs';
import { databaseFile, newDataDirectory, startSignalbox } from '../target/signalbox.mjs';

const TARGET = 0.6;
const DEVICES = 10_000;
const title = 'readings acknowledged, 10,000 devices';
const bareWriter = fileURLToPath(new URL('../bare-writer.mjs', import.meta.url));

/**
 * P1 with so many devices that the unique index is what costs, against a loop that does nothing but write the same kind of rows
 * into the same table.
 * @type {import('../bench.mjs').Measure}
 */
export const p1b = {
  id: 'P1b',
  title,
  async run(bench) {
    const { seconds, warmup } = bench;
    /** @type {{ bare: { perSecond: number, rows: number }[], signalbox: import('../load-process.mjs').LoadResult[] }} */
    const raw = { bare: [], signalbox: [] };
    await repeat(bench.rounds, async (round) => {
      const bare = await writeBare(bench);
      const signalbox = await signalboxRound(bench, { seconds, warmup, devices: DEVICES });
      raw.bare.push(bare);
      raw.signalbox.push(signalbox);
      bench.say(
        `round ${round}: bare writer ${perSecond(bare.perSecond)}, Signalbox ${perSecond(signalbox.perSecond)}`,
      );
    });
    const bare = median(raw.bare.map((result) => result.perSecond));
    const signalbox = median(raw.signalbox.map((result) => result.perSecond));
    const ratio = signalbox / bare;
    const cells = {
      id: 'P1b',
      what: title,
      measured: perSecond(signalbox),
      against: `bare SQLite writer ${perSecond(bare)}`,
      figure: ratio.toFixed(2),
      target: `>= ${TARGET}`,
      verdict: verdict(ratio >= TARGET),
    };
    return { rows: [row(cells)], raw };
  },
};

/** @returns {Promise<{ perSecond: number, rows: number }>} */
async function writeBare(/** @type {import('../bench.mjs').Bench} */ { directory, warmup, seconds }) {
  const dataDirectory = newDataDirectory(directory);
  try {
    const { target } = await startSignalbox(dataDirectory);
    await target.stop();
    const options = { database: databaseFile(dataDirectory), devices: DEVICES, warmup, seconds };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const { stdout } = await promisify(execFile)(process.execPath, [bareWriter, ...args]);
    return JSON.parse(stdout);
  } finally {
    rmSync(dataDirectory, { recursive: true, force: true });
  }
}
