import { isDeviceId } from '../common/ids.js';
import type { DeviceLink, IdentityKind, NewEvent, NewReading } from '../storage/log.js';
import { parseEvent } from './event.parser.js';
import { arrivalKey } from './identity.js';
import type { ItemReject, MetricUnit, ParsedTelemetry } from './parsed-telemetry.js';
import { quoted, Refusal } from './sensor.errors.js';
import { parseTelemetry } from './telemetry.parser.js';
import { unknownTopic } from './unknown-topic.js';

/** What the topic says that a message is. `metric` is the one that the topic names, or null; `record`: one reading that another service hands in; `refused`: another feature's message that it cannot use. */
export type Subject =
  | { readonly kind: 'telemetry'; readonly metric: string | null }
  | { readonly kind: 'event'; readonly type: string }
  | { readonly kind: 'record'; readonly parsed: ParsedTelemetry }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly ref: string | null };

/** A message from a device. `deviceId` is as the topic has it, which may be no device id; `receivedAt` in epoch milliseconds. */
export interface SensorMessage {
  readonly deviceId: string;
  readonly link: DeviceLink;
  readonly topic: string;
  readonly payload: Buffer;
  readonly receivedAt: number;
  readonly subject: Subject;
  /** What numbers it in this process, where the same message may be recorded again after a failure. */
  readonly arrival?: number;
  /** Which part of that it is (from 0), where it was handed in as several. */
  readonly part?: number;
}

/** How long readings and events are kept, in milliseconds; 0 = for ever. */
export interface Retention {
  readonly readings: number;
  readonly events: number;
}

/** A message taken apart into what may be stored and what never can be; `known` is false where `deviceId` names no device. */
export interface TakenApart {
  readonly message: SensorMessage;
  readonly known: boolean;
  readonly readings: readonly NewReading[];
  /** Where in the message each of `readings` stood. */
  readonly places: readonly { readonly index: number }[];
  readonly events: readonly NewEvent[];
  readonly rejects: readonly ItemReject[];
  readonly units: readonly MetricUnit[];
  readonly ack: ParsedTelemetry['ack'];
}

const NOTHING = { known: true, readings: [], places: [], events: [], rejects: [], units: [], ack: null } as const;

/** Takes a message apart by its subject. Never throws. */
export function takeApart(message: SensorMessage, retention: Retention): TakenApart {
  const { deviceId, topic, subject } = message;
  if (subject.kind === 'record') return { ...withParsed(message, subject.parsed), known: isDeviceId(deviceId) };
  if (!isDeviceId(deviceId)) {
    const detail = `${quoted(deviceId)} in the topic is no device id. Use 1 to 128 of A-Z a-z 0-9 . _ : - and begin with a letter or digit.`;
    return { ...rejected(message, new Refusal('BAD_DEVICE_ID', detail)), known: false };
  }
  if (subject.kind === 'telemetry') return telemetry(message, subject.metric, retention.readings);
  if (subject.kind === 'event') return event(message, subject.type, retention.events);
  return subject.kind === 'refused'
    ? rejected(message, subject.refusal, subject.ref)
    : rejected(message, unknownTopic(topic));
}

/** The message with all of it rejected for the same reason; what is rejected for one of its own keeps that. */
export function shutOut(part: TakenApart, { code, detail }: Pick<Refusal, 'code' | 'detail'>): TakenApart {
  const { readings, places, events } = part;
  const rejects = [
    ...part.rejects,
    ...readings.map(({ identity, key }, i) => ({ index: places[i]!.index, code, detail, ref: refOf(identity, key) })),
    ...events.map(({ identity, key }) => ({ index: 0, code, detail, ref: refOf(identity, key) })),
  ];
  return {
    ...part,
    ...NOTHING,
    known: part.known,
    ack: part.ack,
    rejects: rejects.toSorted((a, b) => a.index - b.index),
  };
}

/** The id that the device sent, or null. */
export function refOf(identity: IdentityKind, key: string): string | null {
  return identity === 'id' || identity === 'id-ts' ? key : null;
}

function telemetry(message: SensorMessage, metric: string | null, retentionMs: number): TakenApart {
  const { payload, receivedAt } = message;
  return withParsed(message, parseTelemetry(payload, { receivedAt, retentionMs, metric }));
}

function withParsed(message: SensorMessage, parsed: ParsedTelemetry): TakenApart {
  const { deviceId, link, topic, receivedAt, arrival, part = 0 } = message;
  const readings = parsed.readings.map(({ ts, identity, key, seq, historical, values, metrics }, place) => ({
    deviceId,
    link,
    topic,
    ts,
    receivedAt,
    identity,
    key: identity === 'unique' ? arrivalKey(arrival, part + place) : key,
    seq,
    historical,
    values,
    metrics,
  }));
  return {
    message,
    known: true,
    readings,
    places: parsed.readings,
    events: [],
    rejects: parsed.rejects,
    units: parsed.units,
    ack: parsed.ack,
  };
}

function event(message: SensorMessage, type: string, retentionMs: number): TakenApart {
  const { deviceId, link, payload, receivedAt, arrival } = message;
  const parsed = parseEvent(payload, type, { receivedAt, retentionMs });
  if (parsed instanceof Refusal) return rejected(message, parsed);
  const key = parsed.identity === 'unique' ? arrivalKey(arrival, 0) : parsed.key;
  return { ...NOTHING, message, events: [{ kind: 'event', deviceId, link, type, receivedAt, ...parsed, key }] };
}

function rejected(message: SensorMessage, { code, detail }: Refusal, ref: string | null = null): TakenApart {
  return { ...NOTHING, message, rejects: [{ index: 0, code, detail, ref }] };
}
