import type { HistoryReading } from './reading.history.js';
import { pickMetrics } from './metric-filter.js';
import { type ReadingResource, readingResource } from './sensor.resource.js';

/** Readings that are looked at for one page: one with few matches ends early, and its cursor leads on. */
const MOST_READ = 20_000;

/** What a page may hold. `metrics`: only these, null = all; `maxBytes`: of its items as JSON, null = no bound. */
export interface PageBounds {
  readonly limit: number;
  readonly metrics: ReadonlySet<string> | null;
  readonly maxBytes: number | null;
}

/** Items in the order read; `last` is the reading behind which the next page begins, null where there is none. */
export interface HistoryPage {
  readonly items: readonly ReadingResource[];
  readonly last: HistoryReading | null;
}

/** Takes readings until the page is full. A reading without any of the metrics is left out; the first one fits whatever its size. */
export async function fillPage(
  readings: AsyncIterable<HistoryReading>,
  { limit, metrics, maxBytes }: PageBounds,
): Promise<HistoryPage> {
  const items: ReadingResource[] = [];
  let bytes = 0;
  let read = 0;
  let last: HistoryReading | null = null;
  for await (const reading of readings) {
    if (read === MOST_READ) return { items, last };
    const values = metrics ? pickMetrics(reading.values, metrics) : reading.values;
    if (values !== null) {
      const item = readingResource(reading, values);
      if (maxBytes !== null) bytes += Buffer.byteLength(JSON.stringify(item)) + 1;
      const isFull = items.length === limit || (maxBytes !== null && bytes > maxBytes && items.length > 0);
      if (isFull) return { items, last };
      items.push(item);
    }
    last = reading;
    read++;
  }
  return { items, last: null };
}
