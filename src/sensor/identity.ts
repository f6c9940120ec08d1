import { hash, randomInt } from 'node:crypto';
import { canonicalJson } from '../common/canonical-json.js';
import type { Json } from '../common/json.js';
import type { IdentityKind } from '../storage/log.js';

/** What the device told that can tell one reading from another. Null where it told nothing; `ts` only where the device sent it. */
export interface Told {
  readonly id: string | null;
  readonly ts: number | null;
  readonly seq: number | null;
}

export interface Identity {
  readonly kind: IdentityKind;
  readonly key: string;
}

const UNIQUE: Identity = { kind: 'unique', key: '' };

/**
 * The identity of a reading (contract section 4): `id` and `ts`, else `id`, else `ts` and `seq`, else `ts` and a hash of
 * `content`, else none.
 */
export function identityOf({ id, ts, seq }: Told, content: Json): Identity {
  if (id !== null) return { kind: ts === null ? 'id' : 'id-ts', key: id };
  if (ts === null) return UNIQUE;
  return seq === null ? { kind: 'hash', key: contentHash(content) } : { kind: 'seq', key: String(seq) };
}

/** Two replicas, or two runs, that get a message of one device in the same millisecond. */
const RUN = randomInt(36 ** 5)
  .toString(36)
  .padStart(5, '0');

/**
 * The key of a reading that tells nothing about itself, from the message it came in and its place there. So a message that is
 * handled again, because nobody knows whether the commit took place, is stored once. Empty without `arrival`.
 */
export function arrivalKey(arrival: number | undefined, place: number): string {
  return arrival === undefined ? '' : `${RUN}-${arrival.toString(36)}${place > 0 ? `.${place}` : ''}`;
}

/** 132 bits of SHA-256 over the canonical form, as 22 characters. The log keeps these: a change would let duplicates in. */
function contentHash(content: Json): string {
  return hash('sha256', canonicalJson(content), 'base64url').slice(0, 22);
}
