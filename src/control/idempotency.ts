import { createHash } from 'node:crypto';
import type { Principal } from '../common/access.js';
import { canonicalJson } from '../common/canonical-json.js';
import type { Json } from '../common/json.js';
import { printable } from '../common/printable.js';
import { COMMAND_DEFAULTS, type CommandRequest } from './command.js';

/** How long a key is remembered, in milliseconds. */
export const KEY_KEPT_MS = 86_400_000;

/** 1 to 255 printable characters. */
export const IDEMPOTENCY_KEY = printable(255);

/** Under what a request is remembered, so that a repeat gets the same command; keys of different callers are different keys. `content` is what a repeat must be equal in. */
export interface RequestKey {
  readonly caller: string;
  readonly key: string;
  readonly content: Json;
}

/** A key with the hash of the request that it came with. */
export interface KeyedRequest extends RequestKey {
  readonly fingerprint: string;
}

/** Equal for requests that ask for the same, however they are written (256 bits of SHA-256). */
export function fingerprintOf(request: Json): string {
  return createHash('sha256').update(canonicalJson(request)).digest('base64url');
}

/** What a repeat of the request must be equal in. Options count where they differ from the defaults, so that a default may be said or not. */
export function contentOf({ deviceId, type, params, ...options }: CommandRequest): Json {
  const said = (Object.keys(options) as (keyof typeof options)[]).filter(
    (name) => canonicalJson(options[name]) !== canonicalJson(COMMAND_DEFAULTS[name]),
  );
  return { deviceId, type, params, ...Object.fromEntries(said.map((name) => [name, options[name]])) };
}

/** Ids shorter than this are taken for counters and the like, which come again for another request. */
const SHORTEST_RANDOM_ID = 16;

/** What is known of a request over MQTT that may carry a key: see OnRequest's ServiceRequest. */
interface KeylessRequest {
  readonly caller: Principal;
  readonly id: string | null;
  readonly mayRepeat: boolean;
}

/**
 * The key of a request of another service: the one that it gives, else one made of its id where a broker may deliver it twice
 * (an acknowledgement was lost, a replica died), else null. Nest's ClientMqtt makes 21 random characters for each request, so
 * an equal id with an equal body is the same request once more; the body is part of the key, because two bodies never are.
 */
export function serviceKey(
  given: string | undefined,
  { caller: { id: callerId }, id, mayRepeat }: KeylessRequest,
  body: Json,
): RequestKey | null {
  if (given !== undefined) return { caller: `services:${callerId}`, key: given, content: body };
  if (!mayRepeat || id === null || id.length < SHORTEST_RANDOM_ID) return null;
  return { caller: `services:request:${callerId}`, key: `${id} ${fingerprintOf(body)}`, content: body };
}
