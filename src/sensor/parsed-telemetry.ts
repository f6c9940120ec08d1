import type { IdentityKind } from '../storage/log.js';
import type { RejectCode } from './sensor.errors.js';

/** A reading that may be stored; `index` is its place in the array (0 for a lone one), the rest as in storage's NewReading. */
export interface ParsedReading {
  readonly index: number;
  readonly ts: number;
  readonly identity: IdentityKind;
  readonly key: string;
  readonly seq: number | null;
  readonly historical: boolean;
  readonly values: string;
  readonly metrics: string | null;
}

/** An item that can never be stored; `ref` is the `id` that it carries, else null. */
export interface ItemReject {
  readonly index: number;
  readonly code: RejectCode;
  readonly detail: string;
  readonly ref: string | null;
}

/** The unit that SenML told of a metric. */
export interface MetricUnit {
  readonly metric: string;
  readonly unit: string;
}

/** A message taken apart: each item is in `readings` or in `rejects`; a message that cannot be taken apart is one reject. */
export interface ParsedTelemetry {
  readonly readings: readonly ParsedReading[];
  readonly rejects: readonly ItemReject[];
  readonly units: readonly MetricUnit[];
  /** Where an item asked for an answer on `down/acks`: the id of the first that did, or null where that one has none. */
  readonly ack: { readonly id: string | null } | null;
}
