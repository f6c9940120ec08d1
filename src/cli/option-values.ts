import { InvalidArgumentError } from 'commander';

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Reads the value of an option that is a number of that range. */
export function number(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be a number from ${least} to ${most}.`);
  };
}

/** Reads the value of an option that is a whole number of that range. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };
}

/** Reads the value of an option that is a duration, such as 500ms, 60s, 5m, 2h or 30d, as milliseconds; a bare number is seconds. */
export function duration(text: string): number {
  const match = /^(\d{1,12})(ms|s|m|h|d)?$/.exec(text);
  if (match) return Number(match[1]) * UNIT_MS[(match[2] ?? 's') as keyof typeof UNIT_MS];
  throw new InvalidArgumentError('It must be a duration such as 500ms, 60s, 5m, 2h or 30d.');
}

/** Reads the value of an option that is a JSON object. */
export function jsonObject(text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = null;
  }
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value;
  throw new InvalidArgumentError('It must be a JSON object, such as \'{"speed": 3}\'.');
}

/** Reads the value of an option that is `key:value` and may be repeated, as one object. */
export function keyed(
  text: string,
  before: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> {
  const colon = text.indexOf(':');
  if (colon > 0) return { ...before, [text.slice(0, colon)]: text.slice(colon + 1) };
  throw new InvalidArgumentError('It must look like site:north.');
}

/** Reads the value of an option that is a duration from now, such as 90d, or a time in RFC 3339, as RFC 3339. */
export function lifetime(text: string): string {
  if (/^\d+(ms|s|m|h|d)$/.test(text)) return new Date(Date.now() + duration(text)).toISOString();
  if (/^\d{4}-\d{2}-\d{2}T.*(Z|[+-]\d{2}:\d{2})$/.test(text) && !Number.isNaN(Date.parse(text))) return text;
  throw new InvalidArgumentError('It must be a duration such as 90d, or a time such as 2027-01-31T00:00:00Z.');
}
