import type { Json } from '../common/json.js';
import { isPrintable } from './printable.js';
import { quoted, Refusal } from './sensor.errors.js';

export type JsonObject = { [key: string]: Json };

/** Most metrics of one reading, deepest nesting of one value, and longest string in bytes of UTF-8. */
export const MAX_METRICS = 256;
const MAX_VALUE_DEPTH = 8;
const MAX_STRING_BYTES = 1024;

/** True for a JSON object, false for null and arrays. */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Checks the values of a reading (contract section 4) and returns its metrics by name: nested objects are flattened with
 * `.`, arrays stay whole. Values that are flat already are returned themselves. Nothing is coerced.
 */
export function metricsOf(values: JsonObject): JsonObject | Refusal {
  const names = Object.keys(values);
  if (names.length === 0) return noMetric();
  for (const name of names) if (isObject(values[name])) return flatten(values);
  if (names.length > MAX_METRICS) return tooManyMetrics();
  for (const name of names) {
    const refusal = metricNameRefusal(name) ?? valueRefusal(values[name]!, name, MAX_VALUE_DEPTH);
    if (refusal) return refusal;
  }
  return values;
}

function flatten(values: JsonObject): JsonObject | Refusal {
  const metrics = new Map<string, Json>();
  const refusal = collect(values, '', MAX_VALUE_DEPTH, metrics);
  if (refusal) return refusal;
  return metrics.size === 0 ? noMetric() : Object.fromEntries(metrics);
}

function collect(values: JsonObject, prefix: string, depthLeft: number, metrics: Map<string, Json>): Refusal | null {
  for (const key of Object.keys(values)) {
    if (key === '__proto__') return forbiddenKey(prefix);
    const name = prefix + key;
    const value = values[key]!;
    if (isObject(value)) {
      if (depthLeft === 0) return tooDeep(name);
      const refusal = collect(value, `${name}.`, depthLeft - 1, metrics);
      if (refusal) return refusal;
      continue;
    }
    const refusal = metricNameRefusal(name) ?? valueRefusal(value, name, depthLeft);
    if (refusal) return refusal;
    if (metrics.has(name)) return duplicateMetric(name);
    if (metrics.size === MAX_METRICS) return tooManyMetrics();
    metrics.set(name, value);
  }
  return null;
}

/** Says why `name` is no metric name, or null where it is one. */
export function metricNameRefusal(name: string): Refusal | null {
  if (name === '__proto__') return forbiddenKey('');
  if (isPrintable(name) && !name.includes(',')) return null;
  const why =
    name === ''
      ? 'is empty'
      : name.includes(',')
        ? 'contains a comma'
        : name.length > 128
          ? 'is longer than 128 characters'
          : 'contains a character that cannot be printed';
  return new Refusal(
    'BAD_METRIC_NAME',
    `The metric name ${quoted(name)} ${why}. Use 1 to 128 printable characters without a comma.`,
  );
}

function valueRefusal(value: Json, path: string, depthLeft: number): Refusal | null {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value) ? null : numberTooLarge(path);
    case 'string':
      return stringRefusal(value, path);
    case 'object':
      return value === null ? null : containerRefusal(value, path, depthLeft);
    default:
      return null;
  }
}

/** Inside an array nothing is a metric, so keys need not be metric names. */
function containerRefusal(value: Json[] | JsonObject, path: string, depthLeft: number): Refusal | null {
  if (depthLeft === 0) return tooDeep(path);
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) {
      const refusal = valueRefusal(item, `${path}[${i}]`, depthLeft - 1);
      if (refusal) return refusal;
    }
    return null;
  }
  for (const key of Object.keys(value)) {
    if (key === '__proto__') return forbiddenKey(`${path}.`);
    const refusal = stringRefusal(key, `${path} (a key)`) ?? valueRefusal(value[key]!, `${path}.${key}`, depthLeft - 1);
    if (refusal) return refusal;
  }
  return null;
}

function stringRefusal(text: string, path: string): Refusal | null {
  // A UTF-16 code unit takes at most three bytes, so that short strings need no counting.
  if (text.length * 3 > MAX_STRING_BYTES && Buffer.byteLength(text) > MAX_STRING_BYTES) {
    return new Refusal(
      'BAD_VALUE',
      `The string at ${quoted(path)} has ${Buffer.byteLength(text)} bytes; the most is ${MAX_STRING_BYTES}. Shorten it, or send it as an event on up/events/{type}.`,
    );
  }
  if (text.includes('\0')) {
    return new Refusal('BAD_VALUE', `The string at ${quoted(path)} contains U+0000. Send it without.`);
  }
  if (!text.isWellFormed()) {
    return new Refusal(
      'BAD_VALUE',
      `The string at ${quoted(path)} contains half of a surrogate pair. Send the character as UTF-8, or as both of its \\u escapes.`,
    );
  }
  return null;
}

/** The refusal for a number that a double cannot keep. */
export function numberTooLarge(path: string): Refusal {
  return new Refusal(
    'NUMBER_TOO_LARGE',
    `The number at ${quoted(path)} is an integer beyond 2^53 (9007199254740992) or too large for a double, so it would be rounded. Send it as a string, or with an exponent (1.5e20) where rounding does no harm.`,
  );
}

/** The refusal for two keys that give one metric; `why` says how that can be. */
export function duplicateMetric(name: string, why = 'nested objects are flattened with a dot'): Refusal {
  return new Refusal('DUPLICATE_METRIC', `Two keys give the metric ${quoted(name)}: ${why}. Rename one of them.`);
}

/** The refusal for a reading with too many metrics. */
export function tooManyMetrics(): Refusal {
  return new Refusal(
    'TOO_MANY_METRICS',
    `The reading has more than ${MAX_METRICS} metrics. Send it as several readings with the same ts.`,
  );
}

function noMetric(): Refusal {
  return new Refusal('EMPTY', 'The reading has no metric. Send at least one, for example {"temperature": 21.5}.');
}

function tooDeep(path: string): Refusal {
  return new Refusal(
    'TOO_DEEP',
    `The value at ${quoted(path)} is nested more than ${MAX_VALUE_DEPTH} levels deep. Send it flatter.`,
  );
}

function forbiddenKey(prefix: string): Refusal {
  return new Refusal('FORBIDDEN_KEY', `The name ${quoted(`${prefix}__proto__`)} is not accepted. Use another name.`);
}
