// A process of its own that appends readings to a SQLite database and tells on standard output what became of them:
//   node child.mjs <data directory> <number of the first reading>
// It prints "ready", "ack <first> <last>", "error <code>" and "status <status>"; on standard input it takes "append" and "pause",
// and "crash", which ends the writer thread.
import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { COMMIT_LIMITS } from '../../dist/storage/group-commit.js';
import { SqliteDatabase } from '../../dist/storage/sqlite/sqlite.database.js';

const [dataDir, first] = process.argv.slice(2);
const ROWS = 20;
const LANES = 4;
const say = (line) => process.stdout.write(`${line}\n`);

Logger.overrideLogger(false);
let writer;
process.on('worker', (worker) => (writer ??= worker));

const database = new SqliteDatabase({ dataDir }, { createsDevices: true }, { ...COMMIT_LIMITS, deadlineMs: 3_000 });
await database.onModuleInit();

let status = '';
setInterval(() => {
  if (database.status !== status) say(`status ${(status = database.status)}`);
}, 5);

let next = Number(first);
const state = { paused: false };
async function lane() {
  for (;;) {
    while (state.paused) await new Promise((resolve) => setTimeout(resolve, 5));
    const from = next;
    next += ROWS;
    const rows = Array.from({ length: ROWS }, (_, i) => ({
      deviceId: `device-${(from + i) % 7}`,
      link: 'native',
      topic: 'devices/x/up/telemetry',
      ts: 1_800_000_000_000 + from + i,
      receivedAt: 1_800_000_000_000,
      identity: 'seq',
      key: String(from + i),
      seq: from + i,
      historical: false,
      values: `{"temperature":${from + i}}`,
      metrics: null,
    }));
    try {
      await database.appendReadings(rows);
      say(`ack ${from} ${from + ROWS - 1}`);
    } catch (error) {
      say(`error ${error.code ?? error}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

process.stdin.on('data', (command) => {
  const word = String(command).trim();
  if (word === 'crash') void writer.terminate();
  state.paused = word === 'pause';
});
say('ready');
for (let i = 0; i < LANES; i++) void lane();
