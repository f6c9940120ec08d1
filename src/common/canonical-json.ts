import type { Json } from './json.js';

/** JSON text with the keys of every object sorted by UTF-16 code unit, so that equal content gives equal text. */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  let text = '{';
  for (const key of Object.keys(value).toSorted()) {
    text += `${text.length > 1 ? ',' : ''}${JSON.stringify(key)}:${canonicalJson(value[key]!)}`;
  }
  return `${text}}`;
}
