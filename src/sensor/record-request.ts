import { isDeviceId } from '../common/ids.js';
import type { Json } from '../common/json.js';
import type { MessageResult } from './device-feedback.js';
import type { ParsedTelemetry } from './parsed-telemetry.js';
import { Refusal } from './sensor.errors.js';
import type { SensorMessage } from './sensor.message.js';
import { MAX_ITEMS, parseRecord } from './telemetry.parser.js';
import { isObject } from './values.js';

/** Readings that another service hands in. `document` is the parsed data, `payload` all that came; `receivedAt` in epoch milliseconds. */
export interface RecordRequest {
  readonly document: Json | undefined;
  readonly topic: string;
  readonly payload: Buffer;
  readonly receivedAt: number;
  /** What numbers the request in this process, where it may be handed in again after a failure. */
  readonly arrival?: number;
}

/** What became of the readings; `index` is the place in the array, 0 for a lone one. */
export interface RecordResult {
  readonly stored: number;
  readonly duplicates: number;
  readonly rejected: readonly { readonly index: number; readonly code: string; readonly detail: string }[];
}

/**
 * One message per reading: `{"deviceId", "values", ..}` or an array of these, at most 1,000. They are `foreign`, because they
 * tell nothing of the topics that the device itself listens on: one that is native stays so, and feedback goes to the sender.
 */
export function recordMessages(request: RecordRequest, retentionMs: number): SensorMessage[] {
  const { document, topic, payload, receivedAt, arrival } = request;
  const items = itemsOf(document);
  const message = (deviceId: string, parsed: ParsedTelemetry, part = 0): SensorMessage => ({
    deviceId,
    link: 'foreign',
    topic,
    payload,
    receivedAt,
    subject: { kind: 'record', parsed },
    ...(arrival === undefined ? {} : { arrival, part }),
  });
  if (items instanceof Refusal) {
    const { code, detail } = items;
    return [message('', { readings: [], rejects: [{ index: 0, code, detail, ref: null }], units: [], ack: null })];
  }
  return items.map((item, part) => message(deviceOf(item), parseRecord(item, { receivedAt, retentionMs }), part));
}

/** The device ids that the messages of {@link recordMessages} are about. */
export function devicesOf(messages: readonly SensorMessage[]): ReadonlySet<string> {
  return new Set(messages.map(({ deviceId }) => deviceId).filter(isDeviceId));
}

/** The messages, with a refusal instead of each about a device that is not among the `visible` ones; that tells nothing of the device. */
export function onlyVisible(messages: readonly SensorMessage[], visible: ReadonlySet<string>): SensorMessage[] {
  const rejects = [
    { index: 0, code: 'DEVICE_UNKNOWN', detail: 'There is no device with this id.', ref: null },
  ] as const;
  const parsed: ParsedTelemetry = { readings: [], rejects, units: [], ack: null };
  return messages.map((message) =>
    !isDeviceId(message.deviceId) || visible.has(message.deviceId)
      ? message
      : { ...message, deviceId: '', subject: { kind: 'record', parsed } },
  );
}

/** The results of {@link recordMessages}, in their order, as one. */
export function recordResult(results: readonly MessageResult[]): RecordResult {
  const sum = (count: (result: MessageResult) => number): number => results.reduce((n, one) => n + count(one), 0);
  return {
    stored: sum(({ stored }) => stored),
    duplicates: sum(({ duplicates }) => duplicates),
    rejected: results.flatMap(({ rejected }, index) => rejected.map(({ code, detail }) => ({ index, code, detail }))),
  };
}

/** The result of one message that holds all readings; `index` is the place in it. */
export function messageResult({ stored, duplicates, rejected }: MessageResult): RecordResult {
  return { stored, duplicates, rejected: rejected.map(({ index, code, detail }) => ({ index, code, detail })) };
}

function itemsOf(document: Json | undefined): readonly Json[] | Refusal {
  if (!Array.isArray(document)) {
    if (document !== undefined && isObject(document)) return [document];
    return new Refusal('NOT_AN_OBJECT', 'Send {"deviceId": .., "values": {..}}, or an array of these.');
  }
  if (document.length === 0) return new Refusal('EMPTY', 'The array is empty. Send at least one reading in it.');
  if (document.length <= MAX_ITEMS) return document;
  const detail = `The array has ${document.length} items; the most is ${MAX_ITEMS}. Send it in several requests.`;
  return new Refusal('TOO_MANY_ITEMS', detail);
}

function deviceOf(item: Json): string {
  const id = isObject(item) ? item['deviceId'] : null;
  return typeof id === 'string' ? id : '';
}
