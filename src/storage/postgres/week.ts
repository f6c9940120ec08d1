const WEEK_MS = 7 * 86_400_000;
/** The first Monday of the epoch, 1970-01-05. */
const FIRST_MONDAY = 4 * 86_400_000;
/** The years that a partition can be named after. */
const LEAST_TIME = Date.UTC(0, 0, 3);
const MOST_TIME = Date.UTC(9999, 11, 27);

/** The number of the week, from Monday 00:00 UTC, that holds `ts` (epoch milliseconds). Throws where it is no time in the years 1900 to 9999. */
export function weekOf(ts: number): number {
  if (!(ts >= LEAST_TIME && ts < MOST_TIME)) throw new RangeError('the time is out of range');
  return Math.floor((ts - FIRST_MONDAY) / WEEK_MS);
}

/** First millisecond of a week. */
export function startOfWeek(week: number): number {
  return week * WEEK_MS + FIRST_MONDAY;
}

/** The partition of `readings` for a week, named after its Monday: `readings_20261102`. */
export function partitionName(week: number): string {
  return `readings_${new Date(startOfWeek(week)).toISOString().slice(0, 10).replaceAll('-', '')}`;
}

/** The week of a partition's name, or null where it is none of ours. */
export function weekOfPartition(name: string): number | null {
  const match = /^readings_(\d{4})(\d\d)(\d\d)$/.exec(name);
  if (!match) return null;
  const [year, month, day] = match.slice(1).map(Number) as [number, number, number];
  return weekOf(Date.UTC(year, month - 1, day));
}
