/** How a device reaches us: by the native topics or by a template of DEVICE_TOPICS. */
export type DeviceLink = 'native' | 'foreign';

/**
 * What tells one reading of a device from another (contract section 4); the kinds never collide.
 * `id-ts`: (device, ts, id). `id`: (device, id), remembered 7 days. `seq`: (device, ts, seq). `hash`: (device, ts, hash of
 * the canonical values). `unique`: never a duplicate.
 */
export type IdentityKind = 'id-ts' | 'id' | 'seq' | 'hash' | 'unique';

/** A reading on its way into the log. Times are epoch milliseconds. */
export interface NewReading {
  readonly deviceId: string;
  readonly link: DeviceLink;
  readonly topic: string;
  readonly ts: number;
  readonly receivedAt: number;
  readonly identity: IdentityKind;
  /** The id, the decimal `seq` or the hash; for `unique` what tells a second attempt to store it from a new reading, or empty. */
  readonly key: string;
  /** The `seq` that was sent, whatever the identity is; null where none was. */
  readonly seq: number | null;
  readonly historical: boolean;
  /** JSON text of the values as sent (an object). */
  readonly values: string;
  /** JSON text of the flattened metrics where they differ from `values`, else null. */
  readonly metrics: string | null;
}

/** `event`: what a device published on `up/events/{type}`. `presence`: the device came or went, as we saw it. */
export type EventKind = 'event' | 'presence';

/** An event on its way into the log. One of kind `event` shows its device, which is created where unknown; of another kind it does not. */
export interface NewEvent {
  readonly kind: EventKind;
  readonly deviceId: string;
  readonly link: DeviceLink;
  readonly type: string;
  readonly ts: number;
  readonly receivedAt: number;
  readonly identity: IdentityKind;
  readonly key: string;
  /** JSON text, verbatim. */
  readonly body: string;
}

/** What could never be stored as a reading or event, to be kept as it is. `payload`: at most the first 1,024 bytes; `size`: the whole length. */
export interface NewReject {
  readonly id: string;
  /** Null where the topic names no device. */
  readonly deviceId: string | null;
  readonly topic: string;
  readonly receivedAt: number;
  readonly code: string;
  readonly detail: string;
  readonly payload: Uint8Array;
  readonly size: number;
}

/** `prompt`: a few rows, that others' bulk must not hold up; `bulk`: many or large ones, of which each commit takes a part. Order is kept within a lane. */
export type Lane = 'prompt' | 'bulk';

/**
 * `stored`; `duplicate`: an equal identity was there, the first stays; `conflict`: a duplicate whose values differ;
 * `failed`: this row alone cannot be stored (its neighbours were).
 */
export type Verdict =
  { readonly outcome: 'stored' | 'duplicate' | 'conflict' } | { readonly outcome: 'failed'; readonly detail: string };
