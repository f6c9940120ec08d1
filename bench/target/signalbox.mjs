import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { startTarget } from './process.mjs';
import { deviceId, FILL_COLUMNS, rowOf } from './rows.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = join(root, 'dist/main.js');

/** The flags of Node with which `npm start` runs it. */
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
export const nodeFlags = scripts.start.split(' ').filter((/** @type {string} */ word) => word.startsWith('--'));

/** @type {string[]} */
let profiling = [];

/** From now on every Signalbox that ends leaves processor profiles in `directory`, one for each of its threads. */
export function profileInto(/** @type {string} */ directory) {
  profiling = ['--cpu-prof', '--cpu-prof-dir', directory];
}

/** Only what a process needs anyway: a setting of Signalbox in the caller's environment would change what is measured. */
const inherited = ['PATH', 'HOME', 'TMPDIR', 'LANG'];

/** A fresh, empty data directory below `directory`. */
export function newDataDirectory(/** @type {string} */ directory) {
  return mkdtempSync(join(directory, 'data-'));
}

/**
 * Starts the built Signalbox on loopback, with every check on: the limit of messages per device is counted but out of reach.
 * Embedded broker and SQLite, unless `settings` (environment variables) say otherwise. Ready is the first 200 of `GET /readyz`.
 * @param {string} dataDirectory
 * @param {Readonly<Record<string, string>>} [settings]
 */
export async function startSignalbox(dataDirectory, settings = {}) {
  if (!existsSync(main)) throw new Error('dist/main.js is missing: run npm run build first');
  const { target, ports } = await startTarget({
    name: 'Signalbox',
    ports: /** @type {const} */ (['http', 'mqtt']),
    command: ({ http, mqtt }) => ({
      command: process.execPath,
      args: [...nodeFlags, ...profiling, main],
      cwd: root,
      env: {
        ...Object.fromEntries(inherited.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []))),
        HTTP_HOST: '127.0.0.1',
        HTTP_PORT: String(http),
        MQTT_HOST: '127.0.0.1',
        MQTT_PORT: String(mqtt),
        MQTT_DEVICE_RATE: '1000000',
        DATA_DIR: dataDirectory,
        ACCESS: 'auto',
        LOG_FORMAT: 'json',
        LOG_LEVEL: 'warn',
        ...settings,
      },
    }),
    isReady: ({ http }) => answersReady(http),
  });
  return { target, mqttPort: ports.mqtt, httpPort: ports.http };
}

/** The SQLite file in a data directory. */
export function databaseFile(/** @type {string} */ dataDirectory) {
  return join(dataDirectory, 'signalbox.db');
}

/** Counts what a stopped Signalbox left on disk. */
export function countStored(/** @type {string} */ dataDirectory) {
  const database = new Database(databaseFile(dataDirectory), { readonly: true, fileMustExist: true });
  try {
    const count = (/** @type {string} */ table) =>
      /** @type {number} */ (database.prepare(`select count(*) from ${table}`).pluck().get());
    return { readings: count('readings'), rejects: count('rejects') };
  } finally {
    database.close();
  }
}

/**
 * Counts the commands that a stopped Signalbox left on disk, by status.
 * @returns {Record<string, number>}
 */
export function countCommands(/** @type {string} */ dataDirectory) {
  const database = new Database(databaseFile(dataDirectory), { readonly: true, fileMustExist: true });
  try {
    const rows = database.prepare('select status, count(*) from commands group by status').raw().all();
    return Object.fromEntries(/** @type {[string, number][]} */ (rows));
  } finally {
    database.close();
  }
}

/**
 * Fills the database of a stopped Signalbox with readings of `devices` devices, evenly over the last 30 days, directly: its own
 * door would take minutes. Not crash-safe while it runs.
 * @param {{ dataDirectory: string, rows: number, devices: number }} options
 */
export function fillDatabase({ dataDirectory, rows, devices }) {
  const database = new Database(databaseFile(dataDirectory), { fileMustExist: true });
  try {
    database.pragma('synchronous = OFF');
    const columns = FILL_COLUMNS.map((column) => `"${column}"`).join(', ');
    const insert = database.prepare(
      `insert into readings (${columns}) values (${FILL_COLUMNS.map(() => '?').join(', ')})`,
    );
    const to = Date.now();
    const from = to - 30 * 86_400_000;
    const fill = database.transaction((/** @type {number} */ start, /** @type {number} */ end) => {
      for (let n = start; n < end; n += 1) {
        insert.run(...rowOf(n, from + Math.floor(((to - from) * n) / rows), devices));
      }
    });
    for (let n = 0; n < rows; n += 100_000) fill(n, Math.min(n + 100_000, rows));
    const addDevice = database.prepare(`insert into devices (id, link, created_at) values (?, 'native', ?)`);
    const addLatest = database.prepare(
      'insert into latest (device_id, metric, ts, received_at, value) values (?, ?, ?, ?, ?)',
    );
    database.transaction(() => {
      for (let n = 0; n < devices; n += 1) {
        addDevice.run(deviceId(n), from);
        for (const metric of ['temperature', 'humidity']) addLatest.run(deviceId(n), metric, to, to, '21.5');
      }
      database.prepare(`update sequences set next = ? where name = 'log'`).run(rows + 1);
    })();
    database.pragma('wal_checkpoint(TRUNCATE)');
  } finally {
    database.close();
  }
}

/** Whether `GET /readyz` is answered with 200. @returns {Promise<boolean>} */
export function answersReady(/** @type {number} */ port) {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path: '/readyz', agent: false, timeout: 5_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}
