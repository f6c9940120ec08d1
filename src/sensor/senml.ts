import type { Json } from '../common/json.js';
import { identityOf } from './identity.js';
import type { ItemReject, MetricUnit, ParsedReading, ParsedTelemetry } from './parsed-telemetry.js';
import { Refusal } from './sensor.errors.js';
import { BaseFields, readRecord, type SenmlRecord } from './senml.record.js';
import { HISTORICAL_AFTER_MS, timeRefusal, type TimeBounds } from './timestamp.js';
import { duplicateMetric, isObject, MAX_METRICS, metricsOf, tooManyMetrics } from './values.js';

/** Below this, in seconds, a SenML time is relative to now (RFC 8428, section 4.5.3). */
const ABSOLUTE_FROM_S = 2 ** 28;

/** The records of one time: one reading. `absolute` where the device told a time and not only an age. */
interface Group {
  readonly time: number;
  readonly absolute: boolean;
  readonly records: SenmlRecord[];
}

/** True where the contract calls an array a SenML pack: its first record has a string `n` or `bn`. */
export function isSenml(items: readonly Json[]): boolean {
  const [first] = items;
  return isObject(first) && (typeof first['n'] === 'string' || typeof first['bn'] === 'string');
}

/**
 * Resolves a SenML pack (RFC 8428) into one reading per time. Each reading is judged alone, with the index of the record to
 * blame; a pack that cannot be resolved (a bad base field, time or version, or a field that must be understood) is one reject.
 */
export function parseSenml(pack: readonly Json[], bounds: TimeBounds): ParsedTelemetry {
  const groups = groupByTime(pack, bounds.receivedAt);
  if (!Array.isArray(groups)) return { readings: [], rejects: [groups], units: [], ack: null };
  const readings: ParsedReading[] = [];
  const rejects: ItemReject[] = [];
  const units: MetricUnit[] = [];
  for (const group of groups) {
    const reading = readGroup(group, bounds);
    if ('code' in reading) {
      rejects.push(reading);
      continue;
    }
    readings.push(reading);
    for (const { name, unit } of group.records) if (unit !== null) units.push({ metric: name, unit });
  }
  return { readings, rejects, units, ack: null };
}

function groupByTime(pack: readonly Json[], receivedAt: number): Group[] | ItemReject {
  const base = new BaseFields();
  const groups = new Map<string, Group>();
  for (const [index, item] of pack.entries()) {
    const record = readRecord(item, index, base);
    if (record instanceof Refusal) return reject(record, index);
    if (record === null) continue;
    const absolute = record.time >= ABSOLUTE_FROM_S;
    const time = Math.round(record.time * 1000) + (absolute ? 0 : receivedAt);
    const key = `${absolute ? 'at' : 'ago'} ${time}`;
    const group = groups.get(key);
    if (group) group.records.push(record);
    else groups.set(key, { time, absolute, records: [record] });
  }
  if (groups.size > 0) return [...groups.values()];
  return reject(new Refusal('EMPTY', 'The SenML pack has only base fields. Add a record with a value.'), 0);
}

function readGroup({ time, absolute, records }: Group, bounds: TimeBounds): ParsedReading | ItemReject {
  const first = records[0]!.index;
  const tooFarOff = timeRefusal(time, bounds);
  if (tooFarOff) return reject(tooFarOff, first);
  const metrics = new Map<string, Json>();
  for (const { index, values } of records) {
    if (values instanceof Refusal) return reject(values, index);
    const refusal = metricsOf(values);
    if (refusal instanceof Refusal) return reject(refusal, index);
    for (const [metric, value] of Object.entries(values)) {
      if (metrics.has(metric)) return reject(duplicateMetric(metric, 'it is in the pack twice with one time'), index);
      if (metrics.size === MAX_METRICS) return reject(tooManyMetrics(), index);
      metrics.set(metric, value);
    }
  }
  const values = Object.fromEntries(metrics);
  // An age is no time of the device's own: sent again it gives another time, so it cannot tell two readings apart.
  const { kind, key } = identityOf({ id: null, ts: absolute ? time : null, seq: null }, values);
  return {
    index: first,
    ts: time,
    identity: kind,
    key,
    seq: null,
    historical: time < bounds.receivedAt - HISTORICAL_AFTER_MS,
    values: JSON.stringify(values),
    metrics: null,
  };
}

function reject({ code, detail }: Refusal, index: number): ItemReject {
  return { index, code, detail: `Record ${index}: ${detail}`, ref: null };
}
