import { isDeviceId } from '../common/ids.js';
import type { Json } from '../common/json.js';
import { identityOf, type Told } from './identity.js';
import type { ItemReject, ParsedReading, ParsedTelemetry } from './parsed-telemetry.js';
import { decode } from './payload.js';
import { isPrintable } from './printable.js';
import { quoted, Refusal } from './sensor.errors.js';
import { isSenml, parseSenml } from './senml.js';
import { HISTORICAL_AFTER_MS, readTimestamp, type TimeBounds } from './timestamp.js';
import { isObject, metricNameRefusal, metricsOf, type JsonObject } from './values.js';

/** Most items of an array. */
export const MAX_ITEMS = 1000;

/** What the parser knows besides the payload: `metric` is the one that the topic names, else null. */
export interface TelemetryContext extends TimeBounds {
  readonly metric: string | null;
}

const ENVELOPE_FIELDS: ReadonlySet<string> = new Set(['values', 'ts', 'id', 'seq', 'historical', 'ack']);
const RECORD_FIELDS: ReadonlySet<string> = new Set(['deviceId', ...ENVELOPE_FIELDS]);
const METRIC_FIELDS: ReadonlySet<string> = new Set(['value', 'ts', 'id', 'seq']);

/** Takes a telemetry payload apart (contract section 4). Never throws, whatever the bytes are. */
export function parseTelemetry(payload: Buffer, context: TelemetryContext): ParsedTelemetry {
  const document = decode(payload);
  if (document instanceof Refusal) return whole(document, null);
  if (context.metric !== null) return one(readMetric(document, context.metric, context), idOf(document), null);
  if (!Array.isArray(document)) return one(readItem(document, context), envelopeId(document), ackOf(document));
  if (document.length === 0) {
    return whole(new Refusal('EMPTY', 'The array is empty. Send at least one reading in it.'), null);
  }
  if (document.length > MAX_ITEMS) {
    const detail = `The array has ${document.length} items; the most is ${MAX_ITEMS}. Send it in several messages.`;
    return whole(new Refusal('TOO_MANY_ITEMS', detail), null);
  }
  return isSenml(document) ? parseSenml(document, context) : parseArray(document, context);
}

/** Reads one reading that another service hands in: an envelope with the `deviceId` in it. Never throws. */
export function parseRecord(item: Json, bounds: TimeBounds): ParsedTelemetry {
  if (!isObject(item)) {
    const detail = `A reading is an object such as {"deviceId": "a", "values": {"temperature": 21.5}}, but this is ${kindOf(item)}.`;
    return whole(new Refusal('NOT_AN_OBJECT', detail), null);
  }
  const { deviceId, values } = item;
  if (typeof deviceId !== 'string' || !isDeviceId(deviceId)) {
    const detail = 'deviceId must be 1 to 128 of A-Z a-z 0-9 . _ : - and begin with a letter or digit.';
    return whole(new Refusal('BAD_DEVICE_ID', detail), idOf(item));
  }
  if (!isObject(values)) {
    return whole(new Refusal('BAD_FIELD', 'values must be an object such as {"temperature": 21.5}.'), idOf(item));
  }
  // Its answer is the reply to the request, so that nothing goes to the device.
  return one(readEnvelope(item, RECORD_FIELDS, values, { ...bounds, metric: null }), idOf(item), null);
}

function one(reading: ParsedReading | Refusal, id: string | null, ack: ParsedTelemetry['ack']): ParsedTelemetry {
  return reading instanceof Refusal ? whole(reading, id, ack) : { readings: [reading], rejects: [], units: [], ack };
}

function whole({ code, detail }: Refusal, ref: string | null, ack: ParsedTelemetry['ack'] = null): ParsedTelemetry {
  return { readings: [], rejects: [{ index: 0, code, detail, ref }], units: [], ack };
}

function parseArray(items: readonly Json[], context: TelemetryContext): ParsedTelemetry {
  const readings: ParsedReading[] = [];
  const rejects: ItemReject[] = [];
  let ack: ParsedTelemetry['ack'] = null;
  for (const [index, item] of items.entries()) {
    const reading = readItem(item, context);
    ack ??= ackOf(item);
    if (reading instanceof Refusal) {
      rejects.push({ index, code: reading.code, detail: `Item ${index}: ${reading.detail}`, ref: envelopeId(item) });
    } else {
      readings.push({ ...reading, index });
    }
  }
  return { readings, rejects, units: [], ack };
}

// What was asked for, and under which id, is honoured even where the item itself is rejected.
function ackOf(item: Json): ParsedTelemetry['ack'] {
  return isObject(item) && item['ack'] === true && isObject(item['values']) ? { id: idOf(item) } : null;
}

// In a flat reading `id` is a metric.
function envelopeId(item: Json): string | null {
  return isObject(item) && isObject(item['values']) ? idOf(item) : null;
}

function idOf(item: Json): string | null {
  const id = isObject(item) ? item['id'] : null;
  return typeof id === 'string' && isPrintable(id) ? id : null;
}

function readItem(item: Json, context: TelemetryContext): ParsedReading | Refusal {
  if (!isObject(item)) {
    return new Refusal(
      'NOT_AN_OBJECT',
      `A reading is an object such as {"temperature": 21.5}, but this is ${kindOf(item)}. A bare value goes to up/telemetry/{metric}.`,
    );
  }
  if (isObject(item['values'])) return readEnvelope(item, ENVELOPE_FIELDS, item['values'], context);
  const { ts } = item;
  if (typeof ts !== 'number' && typeof ts !== 'string') return build(item, context.receivedAt, NOTHING_TOLD, context);
  const { ts: _, ...values } = item;
  const time = readTimestamp(ts, context);
  return time instanceof Refusal ? time : build(values, time, { id: null, ts: time, seq: null }, context);
}

function readMetric(payload: Json, metric: string, context: TelemetryContext): ParsedReading | Refusal {
  const refusal = metricNameRefusal(metric);
  if (refusal) return refusal;
  if (Array.isArray(payload)) {
    return new Refusal(
      'NOT_AN_OBJECT',
      'On up/telemetry/{metric} the payload is one scalar or {"value": ..}, but this is an array. Send {"value": [..]} to store an array, or several readings to up/telemetry.',
    );
  }
  if (!isObject(payload)) return build({ [metric]: payload }, context.receivedAt, NOTHING_TOLD, context);
  const { value } = payload;
  return readEnvelope(payload, METRIC_FIELDS, value === undefined ? null : { [metric]: value }, context);
}

const NOTHING_TOLD: Told = { id: null, ts: null, seq: null };

function readEnvelope(
  envelope: JsonObject,
  fields: ReadonlySet<string>,
  values: JsonObject | null,
  context: TelemetryContext,
): ParsedReading | Refusal {
  for (const field of Object.keys(envelope)) if (!fields.has(field)) return unknownField(field, fields);
  if (values === null) {
    return new Refusal('EMPTY', 'The object has no "value". Send {"value": 21.5}, or the bare value.');
  }
  const { id = null, seq = null, historical, ack } = envelope;
  if ('id' in envelope && !(typeof id === 'string' && isPrintable(id))) {
    return new Refusal(
      'BAD_ID',
      `id is ${kindOf(id)}. Send a string of 1 to 128 printable characters, or leave it out.`,
    );
  }
  if ('seq' in envelope && !(Number.isSafeInteger(seq) && (seq as number) >= 0)) {
    return new Refusal(
      'BAD_SEQ',
      'seq must be a whole number from 0 to 9007199254740991. Send such a number, or leave it out.',
    );
  }
  if (historical !== undefined && typeof historical !== 'boolean') return notBoolean('historical');
  if (ack !== undefined && typeof ack !== 'boolean') return notBoolean('ack');
  const ts = envelope['ts'] === undefined ? null : readTimestamp(envelope['ts'], context);
  if (ts instanceof Refusal) return ts;
  const told = { id: id as string | null, ts, seq: seq as number | null };
  return build(values, ts ?? context.receivedAt, told, context, historical);
}

function build(
  values: JsonObject,
  ts: number,
  told: Told,
  context: TelemetryContext,
  historical = false,
): ParsedReading | Refusal {
  const metrics = metricsOf(values);
  if (metrics instanceof Refusal) return metrics;
  const { kind, key } = identityOf(told, values);
  return {
    index: 0,
    ts,
    identity: kind,
    key,
    seq: told.seq,
    historical: historical || ts < context.receivedAt - HISTORICAL_AFTER_MS,
    values: JSON.stringify(values),
    metrics: metrics === values ? null : JSON.stringify(metrics),
  };
}

function unknownField(field: string, known: ReadonlySet<string>): Refusal {
  if (field === '__proto__') {
    return new Refusal('FORBIDDEN_KEY', 'The name "__proto__" is not accepted. Use another name.');
  }
  const names = [...known].join(', ');
  const advice = known === METRIC_FIELDS ? 'Other metrics go to up/telemetry.' : 'Metrics go inside "values".';
  return new Refusal('UNKNOWN_FIELD', `The field ${quoted(field)} means nothing here; known are ${names}. ${advice}`);
}

function notBoolean(field: string): Refusal {
  return new Refusal(
    'BAD_FIELD',
    `${field} must be true or false, without quotes. Send one of these, or leave it out.`,
  );
}

function kindOf(value: Json): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (value === '') return 'an empty string';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
