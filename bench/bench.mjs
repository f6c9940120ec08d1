/**
 * What every measure is given.
 * @typedef {object} Bench
 * @property {number} rounds of each side, taken in turn; figures are medians
 * @property {number} seconds measured in a round
 * @property {number} warmup seconds before that
 * @property {number} sustained seconds of the run at full rate whose memory is watched
 * @property {number} rows of the filled database of P10; 0: only the empty one
 * @property {string} directory for everything that is written; removed at the end
 * @property {{ signalboxRate?: number, othersCpu?: number }} shared the P1 rate, for P4; most cores that others used
 * @property {(text: string) => void} say progress
 */

/**
 * A line of the table.
 * @typedef {object} Row
 * @property {string} id
 * @property {string} what
 * @property {string} measured
 * @property {string} against
 * @property {string} figure what the target is about
 * @property {string} target
 * @property {'met' | 'MISSED' | 'FAILED' | 'skipped' | ''} verdict
 */

/**
 * One file of bench/measure/ exports one of these. `raw` goes into the JSON as it is.
 * @typedef {object} Measure
 * @property {string} id
 * @property {string} title
 * @property {(bench: Bench) => Promise<{ rows: Row[], raw: unknown }>} run
 */

/** The middle value, or the mean of the two middle ones. */
export function median(/** @type {readonly number[]} */ values) {
  if (values.length === 0) throw new RangeError('no values');
  const sorted = values.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const upper = sorted[half] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? NaN) + upper) / 2;
}

/** Least-squares slope of evenly spaced values, per step. */
export function slope(/** @type {readonly number[]} */ values) {
  const meanX = (values.length - 1) / 2;
  const meanY = values.reduce((sum, value) => sum + value, 0) / values.length;
  const covariance = values.reduce((sum, value, x) => sum + (x - meanX) * (value - meanY), 0);
  const variance = values.reduce((sum, _, x) => sum + (x - meanX) ** 2, 0);
  return variance === 0 ? 0 : covariance / variance;
}

/** `n` times, one after the other. */
export async function repeat(/** @type {number} */ n, /** @type {(round: number) => Promise<void>} */ round) {
  for (let i = 1; i <= n; i += 1) await round(i);
}

/** @returns {Row['verdict']} */
export function verdict(/** @type {boolean} */ met) {
  return met ? 'met' : 'MISSED';
}

/** Such as `123,456/s`. */
export function perSecond(/** @type {number} */ value) {
  return `${Math.round(value).toLocaleString('en-US')}/s`;
}

/** A row whose other cells are empty. @returns {Row} */
export function row(/** @type {Partial<Row>} */ cells) {
  return { id: '', what: '', measured: '', against: '', figure: '', target: '', verdict: '', ...cells };
}
