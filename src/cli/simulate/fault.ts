import { pick } from './random.js';
import type { Random } from './random.js';

/** What can go wrong with a measurement. The first two replace it, the other two come on top of it. */
export type FaultKind = 'malformed' | 'badTimestamp' | 'duplicate' | 'disconnect';

const KINDS: readonly [FaultKind, ...FaultKind[]] = ['malformed', 'badTimestamp', 'duplicate', 'disconnect'];

/** Draws whether this measurement goes wrong, with probability `rate` (0-1), and how. */
export function drawFault(random: Random, rate: number): FaultKind | null {
  return random() < rate ? pick(random, KINDS) : null;
}

/** A payload that no gateway can store: cut off, empty, without a metric, or with text around it. */
export function malformedPayload(random: Random, whole: string): string {
  return pick(random, [
    whole.slice(0, Math.ceil(whole.length / 2)),
    '',
    '{"values":{}}',
    `temp=${whole}`,
    '{"temperature":1e999}',
  ]);
}

/** A time as a device with a bad clock or firmware sends it: in seconds, an hour ahead, before 2000, or without a zone. */
export function wrongTimestamp(random: Random, epochMs: number): number | string {
  return pick<number | string>(random, [
    Math.floor(epochMs / 1000),
    epochMs + 3_600_000,
    Date.UTC(1999, 11, 31),
    new Date(epochMs).toISOString().slice(0, -1),
  ]);
}
