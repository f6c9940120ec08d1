import type { Json } from '../common/json.js';
import { isPrintable } from './printable.js';
import { quoted, Refusal } from './sensor.errors.js';
import { isObject, numberTooLarge, type JsonObject } from './values.js';

/** The version of SenML that RFC 8428 defines. */
const VERSION = 10;

type FieldType = 'string' | 'number' | 'boolean';

const BASE_TYPES: ReadonlyMap<string, FieldType> = new Map([
  ['bn', 'string'],
  ['bt', 'number'],
  ['bu', 'string'],
  ['bv', 'number'],
  ['bs', 'number'],
  ['bver', 'number'],
]);
const RECORD_TYPES: ReadonlyMap<string, FieldType> = new Map([
  ...BASE_TYPES,
  ['n', 'string'],
  ['u', 'string'],
  ['t', 'number'],
  ['ut', 'number'],
]);
const VALUE_TYPES: ReadonlyMap<string, FieldType> = new Map([
  ['v', 'number'],
  ['vs', 'string'],
  ['vb', 'boolean'],
  ['vd', 'string'],
]);

/**
 * A resolved record. `time` is in seconds as SenML has it: below 2^28 it is relative to now. `values` has the metric `name`
 * and, where the record has a sum, `name.sum`; or it says why the values are refused.
 */
export interface SenmlRecord {
  readonly index: number;
  readonly name: string;
  readonly time: number;
  readonly unit: string | null;
  readonly values: JsonObject | Refusal;
}

/** The base fields in force: each holds for its record and all after it, until it is given again (RFC 8428, section 4.1). */
export class BaseFields {
  name = '';
  time = 0;
  unit: string | null = null;
  value = 0;
  sum = 0;

  /** Takes over the base fields of a record whose types are checked. */
  update(record: JsonObject): void {
    this.name = (record['bn'] as string | undefined) ?? this.name;
    this.time = (record['bt'] as number | undefined) ?? this.time;
    this.unit = (record['bu'] as string | undefined) ?? this.unit;
    this.value = (record['bv'] as number | undefined) ?? this.value;
    this.sum = (record['bs'] as number | undefined) ?? this.sum;
  }
}

/**
 * Resolves one record against the base fields, which it updates. Returns null for a record of base fields only, and a refusal
 * where the whole pack cannot be resolved.
 */
export function readRecord(item: Json, index: number, base: BaseFields): SenmlRecord | Refusal | null {
  if (!isObject(item)) return bad('This is no object. Every item of a SenML pack is a record.');
  const refusal = fieldsRefusal(item);
  if (refusal) return refusal;
  base.update(item);
  if (Object.keys(item).every((field) => BASE_TYPES.has(field))) return null;
  const name = base.name + ((item['n'] as string | undefined) ?? '');
  return {
    index,
    name,
    time: base.time + ((item['t'] as number | undefined) ?? 0),
    unit: (item['u'] as string | undefined) ?? base.unit,
    values: valuesOf(item, name, base),
  };
}

function fieldsRefusal(record: JsonObject): Refusal | null {
  for (const [field, value] of Object.entries(record)) {
    // RFC 8428, section 4.4: such a field must be understood or the pack be refused; any other unknown field is ignored.
    if (field.endsWith('_')) {
      return bad(
        `The field ${quoted(field)} must be understood by who reads it, and is not. Send the pack without it.`,
      );
    }
    const type = RECORD_TYPES.get(field);
    if (type === undefined) continue;
    if (typeof value !== type) return bad(`The SenML field ${quoted(field)} must be a ${type}.`);
    if (type === 'number' && !Number.isFinite(value)) return numberTooLarge(field);
    if ((field === 'u' || field === 'bu') && !isPrintable(value as string)) {
      return bad(`The unit in ${quoted(field)} must have 1 to 128 printable characters.`);
    }
  }
  const version = record['bver'];
  if (version === undefined || (Number.isInteger(version) && (version as number) <= VERSION)) return null;
  return bad(`SenML version ${JSON.stringify(version)} is not supported. Send "bver" ${VERSION}, or leave it out.`);
}

function valuesOf(record: JsonObject, name: string, base: BaseFields): JsonObject | Refusal {
  const fields = [...VALUE_TYPES.keys()].filter((field) => field in record);
  const hasSum = 's' in record;
  if (fields.length > 1) return bad('There are several values in one record. Send exactly one of v, vs, vb, vd.');
  if (fields.length === 0 && !hasSum) return bad('There is no value. Send one of v, vs, vb, vd, or the sum s.');
  const entries: [string, Json][] = [];
  for (const field of fields) {
    const value = record[field]!;
    if (typeof value !== VALUE_TYPES.get(field)) {
      return bad(`The SenML field ${quoted(field)} must be a ${VALUE_TYPES.get(field)}.`);
    }
    entries.push([name, typeof value === 'number' ? value + base.value : value]);
  }
  if (hasSum) {
    const sum = record['s'];
    if (typeof sum !== 'number') return bad('The SenML field "s" must be a number.');
    entries.push([`${name}.sum`, sum + base.sum]);
  }
  return Object.fromEntries(entries);
}

function bad(detail: string): Refusal {
  return new Refusal('BAD_SENML', detail);
}
