// npm run bench: measures, one table, one JSON file. Exit code 1 where a measure failed (a missed target is no failure), 2 for
// wrong options. See docs/performance.md.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { row } from './bench.mjs';
import { machineFacts } from './machine.mjs';
import { p1 } from './measure/p1.mjs';
import { p10 } from './measure/p10.mjs';
import { p12 } from './measure/p12.mjs';
import { p1b } from './measure/p1b.mjs';
import { p2 } from './measure/p2.mjs';
import { p3 } from './measure/p3.mjs';
import { p4 } from './measure/p4.mjs';
import { p6 } from './measure/p6.mjs';
import { p7 } from './measure/p7.mjs';
import { p9 } from './measure/p9.mjs';
import { p9b } from './measure/p9b.mjs';
import { table, writeResults } from './report.mjs';
import { mosquittoPath } from './round.mjs';
import { postgresPath } from './target/postgres.mjs';
import { profileInto } from './target/signalbox.mjs';

/** In this order: P4 takes its rate from P1. */
const MEASURES = [p1, p1b, p2, p3, p4, p6, p7, p9, p9b, p10, p12];

const USAGE = `npm run bench -- [options]
  --only P1,P4     these measures (${MEASURES.map(({ id }) => id).join(', ')})
  --rounds 3       rounds of each side; figures are their medians
  --seconds 10     measured in a round
  --sustained 60   seconds at full rate for the memory of P9
  --long           the same as --sustained 300
  --rows 1000000   readings in the filled database of P10; 0: only the empty one
  --dir DIRECTORY  where the databases go (default: the temporary directory)
  --profile DIR    each Signalbox leaves processor profiles (.cpuprofile) there, and is slower for it
  --quick          one short round of everything: to try the bench, not to quote`;

/** @returns {never} */
function usage(/** @type {string} */ problem) {
  process.stderr.write(`${problem}\n${USAGE}\n`);
  process.exit(2);
}

function readOptions() {
  try {
    const number = /** @type {const} */ ({ type: 'string' });
    const flag = /** @type {const} */ ({ type: 'boolean', default: false });
    return parseArgs({
      options: {
        only: { type: 'string' },
        rounds: number,
        seconds: number,
        sustained: number,
        rows: number,
        profile: { type: 'string' },
        dir: { type: 'string', default: tmpdir() },
        long: flag,
        quick: flag,
        help: flag,
      },
    }).values;
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error));
  }
}

const options = readOptions();
if (options.help) {
  process.stdout.write(`${USAGE}\n`);
  process.exit(0);
}

/** @param {'rounds' | 'seconds' | 'sustained' | 'rows'} name @param {number} least @param {number} fallback */
function wholeNumber(name, least, fallback) {
  const text = options[name];
  if (text === undefined) return fallback;
  if (!/^\d{1,12}$/.test(text) || Number(text) < least) usage(`--${name} must be a whole number from ${least}`);
  return Number(text);
}

const { quick } = options;
const chosen = options.only?.split(',').map((id) => id.trim().toLowerCase());
const unknown = chosen?.find((id) => !MEASURES.some((measure) => measure.id.toLowerCase() === id));
if (unknown !== undefined) usage(`--only: there is no measure ${unknown}`);
const measures = MEASURES.filter(({ id }) => chosen?.includes(id.toLowerCase()) ?? true);
const settings = {
  rounds: wholeNumber('rounds', 1, quick ? 1 : 3),
  seconds: wholeNumber('seconds', 1, quick ? 3 : 10),
  warmup: quick ? 1 : 3,
  sustained: wholeNumber('sustained', 8, options.long ? 300 : quick ? 10 : 60),
  rows: wholeNumber('rows', 0, quick ? 100_000 : 1_000_000),
};

if (options.profile !== undefined) profileInto(resolve(options.profile));
const directory = mkdtempSync(join(options.dir, 'signalbox-bench-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));

const machine = machineFacts(directory, { mosquitto: mosquittoPath, postgres: postgresPath });
if (mosquittoPath === null) {
  process.stdout.write('Mosquitto is missing (apt install mosquitto): comparisons with it are skipped.\n');
}
if (postgresPath === null) {
  process.stdout.write('PostgreSQL is missing (apt install postgresql): what is measured with it is skipped.\n');
}
/** @type {import('./bench.mjs').Bench} */
const bench = { ...settings, directory, shared: {}, say: () => undefined };
/** @type {import('./bench.mjs').Row[]} */
const rows = [];
/** @type {Record<string, unknown>} */
const raw = {};
for (const { id, title, run } of measures) {
  process.stdout.write(`${id}: ${title}\n`);
  try {
    const outcome = await run({ ...bench, say: (text) => process.stdout.write(`    ${text}\n`) });
    rows.push(...outcome.rows);
    raw[id] = outcome.raw;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.stdout.write(`    FAILED: ${message}\n`);
    rows.push(row({ id, what: title, measured: message.split('\n', 1)[0] ?? '', verdict: 'FAILED' }));
    raw[id] = { failed: message };
    process.exitCode = 1;
  }
}

const facts = Object.entries(machine).map(([name, value]) => `${name} ${value}`);
const medians = `medians of ${settings.rounds} round${settings.rounds === 1 ? '' : 's'} of ${settings.seconds} s`;
process.stdout.write(`\n${table(rows)}\n\n${medians}; ${facts.join('; ')}\n`);
const { othersCpu = 0 } = bench.shared;
if (othersCpu > 0.1) {
  process.stdout.write(`Disturbed: processes beside the bench used up to ${othersCpu.toFixed(1)} cores in a round.\n`);
}
if (options.profile !== undefined) process.stdout.write('Profiled: these figures are those of a slower process.\n');
if (quick) process.stdout.write('A quick run: these figures show that it works, not how fast it is.\n');
process.stdout.write(`${writeResults({ machine, settings, rows, raw })}\n`);
