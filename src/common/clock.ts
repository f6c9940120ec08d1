/** RFC 3339 with a zone; `T` may be a blank or lower case as its section 5.6 allows. */
const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(\.\d+)?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** The longest that a timer of Node can wait, in milliseconds; with more it fires at once. */
export const MAX_TIMER_MS = 2_147_483_647;

/** The last instant that RFC 3339 can write, in epoch milliseconds. */
export const MAX_TIME = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/**
 * Reads a time as RFC 3339 with a zone, or as epoch milliseconds (number, or digits in a string).
 * Returns epoch milliseconds (fractions of a millisecond are cut off), or null where the value is neither.
 */
export function parseTime(value: unknown): number | null {
  if (typeof value === 'number')
    return Number.isFinite(value) && Math.abs(value) <= MAX_TIME ? Math.trunc(value) : null;
  if (typeof value !== 'string') return null;
  if (/^-?\d{1,15}$/.test(value)) return parseTime(Number(value));
  const match = RFC3339.exec(value);
  if (!match) return null;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const daysInMonth = new Date(Date.UTC(year, month, 0)).getUTCDate();
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth || hour > 23 || minute > 59 || second > 60) return null;
  const fraction = Number(`0${match[7] ?? ''}`);
  const zone = match[8]!;
  const offset = /[Zz]/.test(zone) ? 0 : Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6));
  const sign = zone.startsWith('-') ? -1 : 1;
  const time = Date.UTC(year, month - 1, day, hour, minute, second, Math.trunc(fraction * 1000));
  return time - sign * offset * 60_000;
}

/** RFC 3339 in UTC with milliseconds, from epoch milliseconds. */
export function formatTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
