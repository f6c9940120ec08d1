import { rmSync } from 'node:fs';
import { noteDisturbance, runRestLoad } from './load-process.mjs';
import { startEmptyRoute } from './target/empty-route.mjs';
import { countCommands, newDataDirectory, startSignalbox } from './target/signalbox.mjs';

/** @typedef {Omit<import('./load-process.mjs').RestLoad, 'mqtt'>} CommandLoad */

/**
 * Starts Signalbox on an empty data directory and creates commands. Their devices are connected and answer at once; with
 * `devicesConnected: false` there are none. Throws unless every command that was created, and no other, is on disk at the end
 * and succeeded (is pending, where there are no devices).
 * @param {import('./bench.mjs').Bench} bench
 * @param {CommandLoad} load
 * @param {{ devicesConnected?: boolean }} [options]
 */
export async function commandRound(bench, load, { devicesConnected = true } = {}) {
  const dataDirectory = newDataDirectory(bench.directory);
  const { target, httpPort, mqttPort } = await startSignalbox(dataDirectory);
  try {
    const result = await runRestLoad([target], httpPort, devicesConnected ? { ...load, mqtt: mqttPort } : load);
    await target.stop();
    assertAnswered(result);
    assertKept(result.answered, countCommands(dataDirectory), devicesConnected ? 'SUCCEEDED' : 'PENDING');
    noteDisturbance(bench, result);
    return result;
  } catch (error) {
    throw target.output === '' ? error : new Error(`${String(error)}\n${target.output}`, { cause: error });
  } finally {
    target.kill();
    rmSync(dataDirectory, { recursive: true, force: true });
  }
}

/**
 * Starts Signalbox on a data directory and gets a path.
 * @param {import('./bench.mjs').Bench} bench
 * @param {string} dataDirectory
 * @param {import('./load-process.mjs').RestLoad} load
 */
export async function readRound(bench, dataDirectory, load) {
  const { target, httpPort } = await startSignalbox(dataDirectory);
  try {
    const result = await runRestLoad([target], httpPort, load);
    await target.stop();
    assertAnswered(result);
    noteDisturbance(bench, result);
    return result;
  } finally {
    target.kill();
  }
}

/**
 * The same requests to an empty route that answers with `body`.
 * @param {import('./bench.mjs').Bench} bench
 * @param {import('./load-process.mjs').RestLoad} load
 * @param {string} body JSON
 */
export async function emptyRound(bench, load, body) {
  const { directory } = bench;
  const route =
    load.path === undefined
      ? /** @type {const} */ ({ method: 'POST', path: '/v1/devices/:id/commands' })
      : /** @type {const} */ ({ method: 'GET', path: load.path.split('?', 1)[0] ?? '' });
  const { target, httpPort } = await startEmptyRoute({ directory, ...route, status: load.expect, body });
  try {
    const result = await runRestLoad([target], httpPort, load);
    await target.stop();
    assertAnswered(result);
    if (result.sample !== body) throw new Error(`the empty route answers otherwise:\n${result.sample}\n${body}`);
    noteDisturbance(bench, result);
    return result;
  } finally {
    target.kill();
  }
}

function assertAnswered(/** @type {import('./load-process.mjs').RestResult} */ { sent, answered, ended, received }) {
  if (answered !== sent) throw new Error(`of ${sent} requests ${answered} were answered`);
  if (received > 0 && ended < answered)
    throw new Error(`of ${answered} commands ${ended} were answered by their devices`);
}

/** Throws where what is on disk is not what was created, or has not come so far. */
function assertKept(
  /** @type {number} */ created,
  /** @type {Readonly<Record<string, number>>} */ stored,
  /** @type {string} */ status,
) {
  if (stored[status] === created && Object.keys(stored).length === 1) return;
  throw new Error(`NOT CONSERVED: ${created} commands created, on disk ${JSON.stringify(stored)}, expected ${status}`);
}
