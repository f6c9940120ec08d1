// Rows of the `readings` table as Signalbox writes them for flat readings (src/storage/schema.ts), for the bare writer and for
// databases that are filled before a start.

export const FILL_COLUMNS = /** @type {const} */ ([
  'position',
  'device_id',
  'ts',
  'key',
  'received_at',
  'topic',
  'historical',
  'seq',
  'values',
]);

/**
 * Row n (from 0) in the order of FILL_COLUMNS: the devices in turn, two metrics, identity `unique`.
 * @returns {(string | number | null)[]}
 */
export function rowOf(/** @type {number} */ n, /** @type {number} */ ts, /** @type {number} */ devices) {
  const device = deviceId(n % devices);
  return [n + 1, device, ts, `u:${n + 1}`, ts, `devices/${device}/up/telemetry`, 0, null, values(n % 2_000)];
}

/** The id of filling device n. */
export function deviceId(/** @type {number} */ n) {
  return `bench-bare-${String(n).padStart(5, '0')}`;
}

function values(/** @type {number} */ n) {
  return `{"temperature":${(1_500 + n) / 100},"humidity":${(300 + (n % 600)) / 10}}`;
}
