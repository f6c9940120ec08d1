/** Every code a message or one item of it can be rejected with, and what it means; docs/telemetry.md is held to it by a test. */
export const REJECT_CODES = {
  UNKNOWN_TOPIC: 'Nothing reads this topic below `up/`.',
  BAD_DEVICE_ID: 'The level of the topic that names the device is no device id.',
  PAYLOAD_TOO_LARGE: 'The payload is larger than 256 KiB.',
  NOT_UTF8: 'The payload is not valid UTF-8.',
  NOT_JSON: 'The payload is empty or not JSON.',
  NOT_AN_OBJECT: 'A reading is a JSON object; this is something else.',
  TOO_MANY_ITEMS: 'The array has more than 1,000 items.',
  EMPTY: 'There is no metric in the reading, or no reading in the array.',
  UNKNOWN_FIELD: 'The envelope has a field that means nothing there.',
  BAD_FIELD: 'A field of the envelope has a value of the wrong type.',
  BAD_ID: '`id` is not a string of 1 to 128 printable characters.',
  BAD_SEQ: '`seq` is not a whole number from 0 to 2^53 - 1.',
  BAD_TIMESTAMP:
    'The time is unreadable, without a zone, in seconds, before 2000-01-01, or more than 10 minutes ahead.',
  TOO_OLD: 'The time is older than what is kept.',
  BAD_METRIC_NAME: 'A metric name is not 1 to 128 printable characters without a comma.',
  DUPLICATE_METRIC: 'Two keys give the same metric name.',
  TOO_MANY_METRICS: 'The reading has more than 256 metrics.',
  TOO_DEEP: 'Arrays and objects are nested too deeply.',
  BAD_VALUE: 'A string is longer than 1 KiB, or holds U+0000 or half of a surrogate pair.',
  NUMBER_TOO_LARGE: 'A number is an integer beyond 2^53 or too large for a double.',
  FORBIDDEN_KEY: 'The name `__proto__` is not accepted anywhere.',
  BAD_SENML: 'The array looks like SenML, but RFC 8428 does not allow it or asks for what is not supported.',
  BAD_ANSWER:
    'An answer to a command cannot be read, or that command was never sent to this device; see docs/commands.md.',
  BAD_STATUS: 'The payload on `up/status` is no status.',
  BAD_EVENT_TYPE: 'The event type in the topic is not 1 to 128 printable characters without a comma.',
  DEVICE_UNKNOWN:
    'There is no such device, and messages do not create it (`DEVICE_REGISTRATION`), or the sender may not know of it.',
  DEVICE_PENDING: 'The device waits for its approval (`POST /v1/devices/{id}/approve`).',
  DEVICE_DISABLED: 'The device is disabled.',
  STORAGE_REFUSED: 'The database refused this one record, and would refuse it again.',
} as const satisfies Readonly<Record<string, string>>;

export type RejectCode = keyof typeof REJECT_CODES;

/** Why something can never be stored. A value and not an Error: a flood of bad messages must not pay for stack traces. */
export class Refusal {
  constructor(
    readonly code: RejectCode,
    /** Sentences for the author of the firmware: what is wrong, where, and what to send instead. */
    readonly detail: string,
  ) {}
}

/** A text of the sender as it is shown in a detail: quoted, escaped, and cut at 64 characters. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
}
