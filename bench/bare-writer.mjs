// What SQLite alone can do, in a process of its own: node bench/bare-writer.mjs --database FILE [options]. Inserts readings into
// the table that Signalbox made, in batches, one durable commit each, and writes one JSON line with the rows per second.
import { parseArgs } from 'node:util';
import Database from 'better-sqlite3';
import { FILL_COLUMNS, rowOf } from './target/rows.mjs';

const { values: options } = parseArgs({
  options: {
    database: { type: 'string', default: '' },
    devices: { type: 'string', default: '10000' },
    batch: { type: 'string', default: '1000' },
    warmup: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '10' },
  },
});
const devices = Number(options.devices);
const batch = Number(options.batch);

const database = new Database(options.database, { fileMustExist: true });
database.pragma('journal_mode = WAL');
database.pragma('synchronous = FULL');
// Tuned as Signalbox's own writer is (src/storage/sqlite/open-file.ts), so that the ratio is not one of settings.
database.pragma('cache_size = -32768');
database.pragma('wal_autocheckpoint = 4000');
const insert = database.prepare(
  `insert into readings (${FILL_COLUMNS.map((column) => `"${column}"`).join(', ')})
   values (${FILL_COLUMNS.map(() => '?').join(', ')}) on conflict do nothing`,
);

let rows = 0;
const writeBatch = database.transaction((/** @type {number} */ now) => {
  for (let i = 0; i < batch; i += 1, rows += 1) insert.run(...rowOf(rows, now, devices));
});

function writeFor(/** @type {number} */ seconds) {
  const from = rows;
  const startedAt = performance.now();
  const endAt = startedAt + seconds * 1_000;
  let now = startedAt;
  for (; now < endAt; now = performance.now()) writeBatch(Date.now());
  return ((rows - from) * 1_000) / (now - startedAt);
}

writeFor(Number(options.warmup));
const perSecond = writeFor(Number(options.seconds));
database.close();
process.stdout.write(`${JSON.stringify({ perSecond, rows })}\n`);
