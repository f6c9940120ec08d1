import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { median, perSecond, repeat, row, verdict } from '../bench.mjs';
import { storingRound } from '../broker-round.mjs';
import { mosquittoPath } from '../round.mjs';
import { countStoredIn, postgresPath, startPostgres } from '../target/postgres.mjs';
import { describe } from './p2.mjs';

const STORE_TARGET = 0.6;
const BROKER_TARGET = 0.4;
const DEVICES = 50;
const titles = {
  store: 'PostgreSQL store alone, batches of 1,000',
  broker: 'readings stored through Mosquitto in PostgreSQL',
};
const writer = fileURLToPath(new URL('../postgres-writer.mjs', import.meta.url));

/** @typedef {{ perSecond: number, rows: number }} Written */

/**
 * The PostgreSQL store by itself against a loop of COPY into the same table, and the whole way through Mosquitto against the same
 * way into SQLite (P2). Durable commits everywhere: `fsync` and `synchronous_commit` are on.
 * @type {import('../bench.mjs').Measure}
 */
export const p3 = {
  id: 'P3',
  title: titles.store,
  async run(bench) {
    if (postgresPath === null) {
      return {
        rows: [row({ id: 'P3', what: titles.store, against: 'PostgreSQL is missing', verdict: 'skipped' })],
        raw: null,
      };
    }
    const alone = await storeAlone(bench);
    if (mosquittoPath === null) {
      const skipped = row({ id: 'P3', what: titles.broker, against: 'Mosquitto is missing', verdict: 'skipped' });
      return { rows: [alone.row, skipped], raw: { alone: alone.raw } };
    }
    const through = await throughMosquitto(bench);
    return { rows: [alone.row, through.row], raw: { alone: alone.raw, through: through.raw } };
  },
};

async function storeAlone(/** @type {import('../bench.mjs').Bench} */ bench) {
  /** @type {Record<'copy' | 'store', Written[]>} */
  const raw = { copy: [], store: [] };
  await repeat(bench.rounds, async (round) => {
    raw.copy.push(await write(bench, 'copy'));
    raw.store.push(await write(bench, 'store'));
    const [copied, stored] = [raw.copy.at(-1)?.perSecond ?? NaN, raw.store.at(-1)?.perSecond ?? NaN];
    bench.say(`round ${round}: COPY ${perSecond(copied)}, store ${perSecond(stored)}`);
  });
  const rate = (/** @type {keyof raw} */ side) => median(raw[side].map((result) => result.perSecond));
  const ratio = rate('store') / rate('copy');
  const cells = {
    id: 'P3',
    what: titles.store,
    measured: perSecond(rate('store')),
    against: `COPY loop ${perSecond(rate('copy'))}`,
    figure: ratio.toFixed(2),
    target: `>= ${STORE_TARGET}`,
    verdict: verdict(ratio >= STORE_TARGET),
  };
  return { row: row(cells), raw };
}

async function throughMosquitto(/** @type {import('../bench.mjs').Bench} */ bench) {
  const { seconds, warmup } = bench;
  /** @type {Record<'sqlite' | 'postgresql', import('../broker-round.mjs').BrokerResult[]>} */
  const raw = { sqlite: [], postgresql: [] };
  await repeat(bench.rounds, async (round) => {
    for (const database of /** @type {const} */ (['sqlite', 'postgresql'])) {
      raw[database].push(await storingRound(bench, { seconds, warmup }, database));
      bench.say(`round ${round}, through Mosquitto, ${database}: ${describe(raw[database].at(-1))}`);
    }
  });
  const rate = (/** @type {keyof raw} */ side) => median(raw[side].map((result) => result.consumedPerSecond));
  const ratio = rate('postgresql') / rate('sqlite');
  const cells = {
    id: 'P3',
    what: titles.broker,
    measured: `${perSecond(rate('postgresql'))}, none lost`,
    against: `the same in SQLite ${perSecond(rate('sqlite'))}`,
    figure: ratio.toFixed(2),
    target: `>= ${BROKER_TARGET}`,
    verdict: verdict(ratio >= BROKER_TARGET),
  };
  return { row: row(cells), raw };
}

/**
 * Writes into a new database on a server of its own; throws where it does not hold afterwards what the writer says.
 * @param {import('../bench.mjs').Bench} bench
 * @param {'copy' | 'store'} how
 * @returns {Promise<Written>}
 */
async function write({ directory, warmup, seconds }, how) {
  if (postgresPath === null) throw new Error('PostgreSQL is not installed');
  const { target, url, remove } = await startPostgres({ bin: postgresPath, directory });
  try {
    const options = { url, how, devices: DEVICES, warmup, seconds };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const { stdout } = await promisify(execFile)(process.execPath, [writer, ...args]);
    // The store logs before it.
    /** @type {Written} */
    const written = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    const { readings } = await countStoredIn(url);
    if (readings !== written.rows) throw new Error(`${how}: ${written.rows} rows written, ${readings} stored`);
    await target.stop();
    return written;
  } finally {
    target.kill();
    remove();
  }
}
