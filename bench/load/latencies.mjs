import { build } from 'hdr-histogram-js';

/** Latencies in milliseconds: microseconds are kept, to three digits. */
export class Latencies {
  #histogram = build({ lowestDiscernibleValue: 1, highestTrackableValue: 600_000_000, useWebAssembly: false });

  record(/** @type {number} */ milliseconds) {
    this.#histogram.recordValue(Math.max(1, Math.round(milliseconds * 1_000)));
  }

  /** @returns {import('../load-process.mjs').LatencySummary} */
  summary() {
    const at = (/** @type {number} */ percentile) => this.#histogram.getValueAtPercentile(percentile) / 1_000;
    return { p50: at(50), p90: at(90), p99: at(99), p999: at(99.9), max: this.#histogram.maxValue / 1_000 };
  }
}
