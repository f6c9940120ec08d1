import { rmSync } from 'node:fs';
import { assertAcknowledged, noteDisturbance, runLoad } from './load-process.mjs';
import { findMosquitto, startMosquitto, unhindered } from './target/mosquitto.mjs';
import { countStored, newDataDirectory, startSignalbox } from './target/signalbox.mjs';

/** The Mosquitto to compare with, or null. */
export const mosquittoPath = findMosquitto();

/**
 * Starts Mosquitto, loads it, stops it. `noDelay`: acknowledgements go out one segment each (`set_tcp_nodelay`).
 * @param {import('./bench.mjs').Bench} bench
 * @param {import('./load-process.mjs').Load} load
 * @param {{ noDelay: boolean }} options
 */
export async function mosquittoRound(bench, load, { noDelay }) {
  if (mosquittoPath === null) throw new Error('Mosquitto is not installed');
  const { target, mqttPort } = await startMosquitto({
    path: mosquittoPath,
    directory: bench.directory,
    settings: unhindered({ noDelay }),
  });
  try {
    const result = await runLoad([target], mqttPort, load);
    await target.stop();
    assertAcknowledged(target.name, result);
    noteDisturbance(bench, result);
    return result;
  } finally {
    target.kill();
  }
}

/**
 * Starts Signalbox on an empty data directory, loads it, stops it, and proves that what it acknowledged, and nothing else, is on
 * disk; throws otherwise. `during` runs beside the load.
 * @param {import('./bench.mjs').Bench} bench
 * @param {import('./load-process.mjs').Load} load
 * @param {(target: import('./target/process.mjs').TargetProcess) => Promise<void>} [during]
 */
export async function signalboxRound(bench, load, during) {
  const dataDirectory = newDataDirectory(bench.directory);
  const { target, mqttPort } = await startSignalbox(dataDirectory);
  try {
    const [result] = await Promise.all([runLoad([target], mqttPort, load), during?.(target)]);
    await target.stop();
    assertAcknowledged(target.name, result);
    noteDisturbance(bench, result);
    assertConserved(result, countStored(dataDirectory));
    return result;
  } catch (error) {
    throw target.output === '' ? error : new Error(`${String(error)}\n${target.output}`, { cause: error });
  } finally {
    target.kill();
    rmSync(dataDirectory, { recursive: true, force: true });
  }
}

/** Throws where what is on disk is not what was acknowledged. */
export function assertConserved(
  /** @type {import('./load-process.mjs').LoadResult} */ { acknowledged },
  /** @type {{ readings: number, rejects: number }} */ stored,
) {
  if (stored.readings === acknowledged && stored.rejects === 0) return;
  throw new Error(`NOT CONSERVED: ${acknowledged} acknowledged, ${stored.readings} stored, ${stored.rejects} rejected`);
}
