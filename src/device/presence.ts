import type { DeviceLink } from '../storage/log.js';

/** Whether a device is there, as far as is known. `unknown`: it was heard, but neither it nor the broker says that it is there now. */
export interface DevicePresence {
  readonly state: 'online' | 'offline' | 'unknown' | 'never';
  /** The last sign of life in epoch milliseconds; null where none is known, which of a device that listens at the embedded broker says nothing. */
  readonly lastSeen: number | null;
  /**
   * A command that is published now has somebody to hear it. Embedded broker: a granted subscription that names the device
   * covers its commands. External broker: presence is not `offline`, and the device does not fetch its commands over HTTP.
   * Of a foreign device, whose topics say nothing, it is only false where it is known to be offline.
   */
  readonly listens: boolean;
}

/** What is kept of a device. `online`: as its last `up/status` said, null where none has. Times in epoch milliseconds. */
export interface DeviceRow {
  readonly link: DeviceLink;
  readonly online: boolean | null;
  readonly statusAt: number | null;
  readonly lastSeen: number | null;
  readonly polledAt: number | null;
}

/** What the broker in this process knows of a device; it has run since `since`, and nobody was connected before. */
export interface Connectedness {
  readonly listens: boolean;
  readonly isConnected: boolean;
  readonly since: number;
}

/** How long after its last poll a device that fetches its commands over HTTP still counts as being there. */
const POLL_LASTS_MS = 90_000;
/** Messages of a device come in over several connections and replicas: what is nearer together than this has no order. */
const BLUR_MS = 3_000;

/**
 * What is to be said of a device. `row`: null where it is unknown; `heardAt`: what this process heard and has not written
 * down; `connected`: null where the broker is elsewhere and tells nothing.
 */
export function judgePresence(
  row: DeviceRow | null,
  heardAt: number | null,
  connected: Connectedness | null,
  now: number,
): DevicePresence {
  const heard = latest(row?.lastSeen, heardAt);
  const said = row?.online === true ? row.statusAt : null;
  const lastSeen = latest(heard, said, row?.polledAt);
  if (connected === null) {
    const state = stateElsewhere(row, heard, now);
    return { state, lastSeen, listens: state !== 'offline' && !fetches(row, heard) };
  }
  const state = stateHere(row, lastSeen, connected, now);
  return { state, lastSeen, listens: connected.listens || (row?.link === 'foreign' && state !== 'offline') };
}

/** True where a device that was last said to be offline at `statusAt` has been heard since, and not only by a message that the will overtook. */
export function isBack(statusAt: number | null, heardAt: number | null): boolean {
  return heardAt !== null && heardAt > (statusAt ?? 0) + BLUR_MS;
}

function stateHere(
  row: DeviceRow | null,
  lastSeen: number | null,
  { listens, isConnected, since }: Connectedness,
  now: number,
): DevicePresence['state'] {
  if (listens || isConnected || polls(row, now)) return 'online';
  // Who was connected before this process started has lost that connection, whatever it said then.
  if (row?.online === true && (row.statusAt ?? 0) >= since) return 'online';
  if (lastSeen === null && row?.online == null) return 'never';
  // It may be connected under any client id, and is not asked to say that it is there.
  return row?.link === 'foreign' && row.online === null ? 'unknown' : 'offline';
}

function stateElsewhere(row: DeviceRow | null, heard: number | null, now: number): DevicePresence['state'] {
  if (row?.online === true || polls(row, now)) return 'online';
  if (row?.online === false) return isBack(row.statusAt, heard) ? 'unknown' : 'offline';
  return latest(heard, row?.polledAt) === null ? 'never' : 'unknown';
}

function polls(row: DeviceRow | null, now: number): boolean {
  return row !== null && row.polledAt !== null && row.polledAt > now - POLL_LASTS_MS;
}

/** Its last word, of those that tell the two ways apart, came over HTTP. */
function fetches(row: DeviceRow | null, heard: number | null): boolean {
  if (row === null || row.polledAt === null) return false;
  return row.polledAt > (row.statusAt ?? 0) && row.polledAt > (heard ?? 0) - BLUR_MS;
}

function latest(...times: readonly (number | null | undefined)[]): number | null {
  const known = times.filter((time) => typeof time === 'number');
  return known.length === 0 ? null : Math.max(...known);
}
