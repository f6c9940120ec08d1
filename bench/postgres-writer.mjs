// Fills the `readings` that Signalbox made in PostgreSQL, in a process of its own: node bench/postgres-writer.mjs --url URL
// --how store|copy [options]. `store`: the store of Signalbox alone, by PostgresDatabase.appendReadings of the build. `copy`: what
// PostgreSQL takes from a loop that only writes, COPY after COPY. Batches of 1,000, a durable commit each. Writes one JSON line
// with the rows per second.
import { parseArgs } from 'node:util';
import pg from 'pg';
import { Copy, copyText } from './load/copy.mjs';
import { deviceId, FILL_COLUMNS, rowOf } from './target/rows.mjs';

const { values: options } = parseArgs({
  options: {
    url: { type: 'string', default: '' },
    how: { type: 'string', default: 'store' },
    devices: { type: 'string', default: '50' },
    batch: { type: 'string', default: '1000' },
    warmup: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '10' },
  },
});
const devices = Number(options.devices);
const batch = Number(options.batch);
/** As many as the group commit of Signalbox has: one is on its way while the other is taken apart. */
const IN_FLIGHT = 2;

let rows = 0;

/** @param {(now: number) => Promise<void>} write a batch @param {number} seconds */
async function writeFor(write, seconds) {
  const from = rows;
  const startedAt = performance.now();
  const endAt = startedAt + seconds * 1_000;
  const lane = async () => {
    while (performance.now() < endAt) {
      await write(Date.now());
      rows += batch;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  return ((rows - from) * 1_000) / (performance.now() - startedAt);
}

async function measure(/** @type {(now: number) => Promise<void>} */ write) {
  await writeFor(write, Number(options.warmup));
  return writeFor(write, Number(options.seconds));
}

/** The store of the build, with its tables made. */
async function openStore() {
  const built = new URL('../dist/storage/postgres/postgres.database.js', import.meta.url);
  const { PostgresDatabase } = await import(built.href);
  const database = new PostgresDatabase(options.url, { exclusive: true });
  await database.onModuleInit();
  return {
    append: async (/** @type {object[]} */ readings) => {
      const verdicts = await database.appendReadings(readings);
      const failed = verdicts.filter((/** @type {{ outcome: string }} */ { outcome }) => outcome !== 'stored').length;
      if (failed > 0) throw new Error(`${failed} of ${readings.length} readings were not stored`);
    },
    close: () => database.onApplicationShutdown(),
  };
}

async function store() {
  const { append, close } = await openStore();
  let next = 0;
  try {
    return await measure((now) => append(Array.from({ length: batch }, () => readingOf(next++, now))));
  } finally {
    await close();
  }
}

/** A NewReading (src/storage/log.ts), as SensorService makes it of a flat reading without `ts`. */
function readingOf(/** @type {number} */ n, /** @type {number} */ now) {
  const device = deviceId(n % devices);
  return {
    deviceId: device,
    link: 'native',
    topic: `devices/${device}/up/telemetry`,
    ts: now,
    receivedAt: now,
    identity: 'unique',
    key: '',
    seq: null,
    historical: false,
    values: rowOf(n, now, devices).at(-1),
    metrics: null,
  };
}

async function copy() {
  // The first reading of a week makes its partition.
  const { append, close } = await openStore();
  await append([readingOf(0, Date.now())]);
  await close();
  rows = 1;
  const client = new pg.Client({ connectionString: options.url });
  await client.connect();
  const columns = FILL_COLUMNS.map((column) => `"${column}"`).join(', ');
  let next = 1;
  try {
    return await measure((now) => {
      const text = copyText(Array.from({ length: batch }, () => rowOf(next++, now, devices)));
      // The driver sends it when the one before it is committed.
      return client.query(new Copy(`copy readings (${columns}) from stdin`, text)).done;
    });
  } finally {
    await client.end();
  }
}

const perSecond = await (options.how === 'copy' ? copy() : store());
process.stdout.write(`${JSON.stringify({ perSecond, rows })}\n`);
