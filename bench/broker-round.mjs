import { rmSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertAcknowledged, noteDisturbance, runLoad } from './load-process.mjs';
import { assertConserved, mosquittoPath } from './round.mjs';
import { handingOn, startMosquitto } from './target/mosquitto.mjs';
import { startPlainSubscriber } from './target/plain-subscriber.mjs';
import { countStoredIn, postgresPath, startPostgres } from './target/postgres.mjs';
import { countStored, newDataDirectory, startSignalbox } from './target/signalbox.mjs';

/**
 * A load with what the consumer made of it: `consumedPerSecond` in the measured time.
 * @typedef {import('./load-process.mjs').LoadResult & { consumedPerSecond: number }} BrokerResult
 */

/**
 * What reads from the broker; on its HTTP port it says how many messages it has received or stored.
 * @typedef {object} Consumer
 * @property {import('./target/process.mjs').TargetProcess} target
 * @property {number} httpPort
 */

/** Messages kept between those published and those consumed: enough to never run dry, little enough to bound the broker's memory. */
const BACKLOG = 20_000;
const POLL_MS = 10;
const STANDSTILL_MS = 15_000;

/**
 * Mosquitto hands the load to a plain MQTT.js subscriber that only counts; throws where it did not get all.
 * @param {import('./bench.mjs').Bench} bench
 * @param {import('./load-process.mjs').Load} load
 */
export function plainRound(bench, load) {
  return withMosquitto(bench, async (mosquitto, mqttPort) => {
    const consumer = await startPlainSubscriber(mqttPort);
    try {
      const result = await loadThrough(bench, [mosquitto, consumer.target], mqttPort, consumer, load);
      await consumer.target.stop();
      return result;
    } finally {
      consumer.target.kill();
    }
  });
}

/**
 * Mosquitto hands the load to Signalbox with SQLite or PostgreSQL; throws where what is stored at the end is not what Mosquitto
 * acknowledged.
 * @param {import('./bench.mjs').Bench} bench
 * @param {import('./load-process.mjs').Load} load
 * @param {'sqlite' | 'postgresql'} database
 */
export function storingRound(bench, load, database) {
  return database === 'sqlite' ? sqliteRound(bench, load) : postgresRound(bench, load);
}

/** @param {import('./bench.mjs').Bench} bench @param {import('./load-process.mjs').Load} load */
function sqliteRound(bench, load) {
  return storing(bench, load, {
    others: [],
    settings: {},
    stored: (dataDirectory) => Promise.resolve(countStored(dataDirectory)),
  });
}

/** @param {import('./bench.mjs').Bench} bench @param {import('./load-process.mjs').Load} load */
async function postgresRound(bench, load) {
  if (postgresPath === null) throw new Error('PostgreSQL is not installed');
  const { target, url, remove } = await startPostgres({ bin: postgresPath, directory: bench.directory });
  try {
    const settings = { DATABASE_URL: url };
    const result = await storing(bench, load, { others: [target], settings, stored: () => countStoredIn(url) });
    await target.stop();
    return result;
  } finally {
    target.kill();
    remove();
  }
}

/**
 * @param {import('./bench.mjs').Bench} bench
 * @param {import('./load-process.mjs').Load} load
 * @param {object} options
 * @param {readonly import('./target/process.mjs').TargetProcess[]} options.others
 * @param {Readonly<Record<string, string>>} options.settings
 * @param {(dataDirectory: string) => Promise<{ readings: number, rejects: number }>} options.stored
 */
function storing(bench, load, { others, settings, stored }) {
  return withMosquitto(bench, async (mosquitto, mqttPort) => {
    const dataDirectory = newDataDirectory(bench.directory);
    const external = { MQTT_URL: `mqtt://127.0.0.1:${mqttPort}`, ...settings };
    const { target, httpPort } = await startSignalbox(dataDirectory, external);
    try {
      const targets = [mosquitto, target, ...others];
      const result = await loadThrough(bench, targets, mqttPort, { target, httpPort }, load);
      await target.stop();
      assertConserved(result, await stored(dataDirectory));
      return result;
    } catch (error) {
      throw target.output === '' ? error : new Error(`${String(error)}\n${target.output}`, { cause: error });
    } finally {
      target.kill();
      rmSync(dataDirectory, { recursive: true, force: true });
    }
  });
}

/**
 * @template T
 * @param {import('./bench.mjs').Bench} bench
 * @param {(target: import('./target/process.mjs').TargetProcess, mqttPort: number) => Promise<T>} work
 */
async function withMosquitto(bench, work) {
  if (mosquittoPath === null) throw new Error('Mosquitto is not installed');
  const directory = newDataDirectory(bench.directory);
  const settings = handingOn({ directory });
  const { target, mqttPort } = await startMosquitto({ path: mosquittoPath, directory, settings });
  try {
    const result = await work(target, mqttPort);
    await target.stop();
    return result;
  } finally {
    target.kill();
    rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * Loads the broker so that there is always something to consume and never so much that the broker drops it, and waits at the
 * end until all is consumed.
 * @param {import('./bench.mjs').Bench} bench
 * @param {readonly import('./target/process.mjs').TargetProcess[]} targets
 * @param {number} mqttPort
 * @param {Consumer} consumer
 * @param {import('./load-process.mjs').Load} load
 * @returns {Promise<BrokerResult>}
 */
async function loadThrough(bench, targets, mqttPort, consumer, load) {
  const agent = new Agent({ keepAlive: true });
  const count = () => consumed(consumer.httpPort, agent);
  /** @type {Record<string, { at: number, count: number }>} */
  const marks = {};
  const pacing = new AbortController();
  try {
    const result = await runLoad(targets, mqttPort, load, {
      run: async (allow) => {
        for (; !pacing.signal.aborted; await sleep(POLL_MS)) allow((await count()) + BACKLOG);
      },
      on: async (event) => {
        if (event !== 'measuring') pacing.abort();
        const now = await count();
        marks[event] = { at: performance.now(), count: now };
      },
    }).finally(() => pacing.abort());
    assertAcknowledged('Mosquitto', result);
    noteDisturbance(bench, result);
    await catchUp(result.acknowledged, count);
    const { measuring, measured } = marks;
    if (!measuring || !measured) throw new Error('the load generator did not say when it measured');
    const consumedPerSecond = ((measured.count - measuring.count) * 1_000) / (measured.at - measuring.at);
    return { ...result, consumedPerSecond };
  } finally {
    agent.destroy();
  }
}

/**
 * Waits until `total` are consumed; throws where it stops short of that, or goes beyond.
 * @param {number} total
 * @param {() => Promise<number>} count
 */
async function catchUp(total, count) {
  let now = await count();
  let movedAt = performance.now();
  while (now < total && performance.now() - movedAt < STANDSTILL_MS) {
    await sleep(POLL_MS);
    const before = now;
    now = await count();
    if (now !== before) movedAt = performance.now();
  }
  if (now !== total) throw new Error(`LOST OR DOUBLED: Mosquitto acknowledged ${total}, ${now} were consumed`);
}

/** @returns {Promise<number>} */
function consumed(/** @type {number} */ port, /** @type {Agent} */ agent) {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path: '/health', agent, timeout: 10_000 }, (response) => {
      /** @type {Buffer[]} */
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => {
        try {
          resolve(JSON.parse(Buffer.concat(chunks).toString()).readings.stored);
        } catch (error) {
          reject(error);
        }
      });
    });
    request.on('timeout', () => request.destroy(new Error('the consumer does not say how far it is')));
    request.on('error', reject);
  });
}
