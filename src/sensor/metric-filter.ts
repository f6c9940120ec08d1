import type { Json } from '../common/json.js';
import { isObject, type JsonObject } from './values.js';

/**
 * The values of a reading with only the metrics of these names, in the form in which they were sent (nested or not); null
 * where it has none of them. Names are those of the flattened metrics (contract section 4).
 */
export function pickMetrics(values: Json, wanted: ReadonlySet<string>): JsonObject | null {
  return isObject(values) ? pick(values, '', wanted) : null;
}

function pick(values: JsonObject, prefix: string, wanted: ReadonlySet<string>): JsonObject | null {
  const picked: [string, Json][] = [];
  for (const [key, value] of Object.entries(values)) {
    const name = prefix + key;
    if (isObject(value)) {
      const inner = pick(value, `${name}.`, wanted);
      if (inner) picked.push([key, inner]);
    } else if (wanted.has(name)) {
      picked.push([key, value]);
    }
  }
  return picked.length > 0 ? Object.fromEntries(picked) : null;
}
