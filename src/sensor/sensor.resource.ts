import { formatTime } from '../common/clock.js';
import type { Json } from '../common/json.js';
import type { HistoryReading, LatestValue } from './reading.history.js';
import type { StoredReading } from './reading.repository.js';
import type { StoredReject } from './reject.repository.js';

/** A reading as `GET /sensors` shows it: `payload` has the values as sent, `timestamp` is the reading's `ts`. */
export interface SensorResource {
  readonly deviceId: string;
  readonly topic: string;
  readonly payload: Json;
  readonly timestamp: string;
  readonly receivedAt: string;
}

/** A reading as lists of readings show it; `id`, `seq` and `historical` only where there is something to say. */
export interface ReadingResource {
  readonly deviceId: string;
  readonly ts: string;
  readonly receivedAt: string;
  readonly values: Json;
  readonly id?: string;
  readonly seq?: number;
  readonly historical?: true;
  readonly topic: string;
}

/** The newest value of each metric of a device, with the times of its reading. */
export interface LatestResource {
  readonly deviceId: string;
  readonly metrics: Readonly<
    Record<string, { readonly value: Json; readonly ts: string; readonly receivedAt: string }>
  >;
}

/** A reject as `GET /v1/rejects` shows it: the first 1 KiB of the payload in base64, and its whole size. */
export interface RejectResource {
  readonly id: string;
  readonly deviceId: string | null;
  readonly topic: string;
  readonly receivedAt: string;
  readonly code: string;
  readonly detail: string;
  readonly payload: string;
  readonly size: number;
}

/** Shows a stored reading. */
export function sensorResource({ deviceId, topic, values, ts, receivedAt }: StoredReading): SensorResource {
  return { deviceId, topic, payload: values, timestamp: formatTime(ts), receivedAt: formatTime(receivedAt) };
}

/** Shows a reading of the history with these of its values. */
export function readingResource(reading: HistoryReading, values: Json): ReadingResource {
  const { deviceId, ts, receivedAt, id, seq, historical, topic } = reading;
  return {
    deviceId,
    ts: formatTime(ts),
    receivedAt: formatTime(receivedAt),
    values,
    ...(id === null ? {} : { id }),
    ...(seq === null ? {} : { seq }),
    ...(historical ? { historical } : {}),
    topic,
  };
}

/** Shows the latest values of a device. */
export function latestResource(deviceId: string, values: readonly LatestValue[]): LatestResource {
  const metrics = values.map(({ metric, value, ts, receivedAt }): [string, LatestResource['metrics'][string]] => [
    metric,
    { value, ts: formatTime(ts), receivedAt: formatTime(receivedAt) },
  ]);
  return { deviceId, metrics: Object.fromEntries(metrics) };
}

/** Shows a kept reject. */
export function rejectResource(reject: StoredReject): RejectResource {
  const { id, deviceId, topic, receivedAt, code, detail, payload, size } = reject;
  const base64 = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('base64');
  return { id, deviceId, topic, receivedAt: formatTime(receivedAt), code, detail, payload: base64, size };
}
