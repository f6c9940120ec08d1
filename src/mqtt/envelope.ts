import { DomainError } from '../common/errors.js';
import { type Json, JsonError, parseJson } from '../common/json.js';
import { toDomainError } from '../common/problem.js';
import { MqttErrors } from './mqtt.errors.js';

/** Largest payload of a request and of a reply, in bytes. */
export const MAX_REQUEST_BYTES = 256 * 1024;

/** What one request may nest: what a request body over HTTP may, inside the envelope. */
const MAX_DEPTH = 33;
const REQUEST_ID = /^[ -~]{1,128}$/;

/** Reads the bytes of a whole request. Throws a coded error or a {@link JsonError}. */
export type DecodeRequest = (payload: Buffer) => Json;

/** What a client of Nest wraps around its data. `id` is null where it wants no answer; `data` undefined where it sent none. */
export interface Envelope {
  readonly id: string | null;
  readonly data: Json | undefined;
}

/** A payload that is no request; `id` is the one to answer under, where it has one. */
export class BadEnvelope {
  constructor(
    readonly id: string | null,
    readonly error: DomainError,
  ) {}
}

/** Strict JSON as in the body of an HTTP request. */
export function decodeStrictly(payload: Buffer): Json {
  return parseJson(payload, MAX_DEPTH);
}

/**
 * Takes apart what Nest's stock ClientMqtt sends, `{"pattern": <the topic>, "data", "id"?}`: with an `id` (1 to 128 printable
 * ASCII characters) it waits for an answer, without one it was emitted. Never throws; other members are ignored.
 */
export function openEnvelope(payload: Buffer, topic: string, decode: DecodeRequest): Envelope | BadEnvelope {
  if (payload.length > MAX_REQUEST_BYTES) {
    return bad(null, `A request has at most ${MAX_REQUEST_BYTES} bytes; this one has ${payload.length}.`);
  }
  let document: Json;
  try {
    document = decode(payload);
  } catch (error) {
    return new BadEnvelope(idIn(payload), toDomainError(withinData(error)));
  }
  return readEnvelope(document, topic);
}

function readEnvelope(document: Json, topic: string): Envelope | BadEnvelope {
  if (document === null || typeof document !== 'object' || Array.isArray(document)) {
    return bad(null, 'A request is a JSON object such as {"pattern": .., "data": .., "id": ..}.');
  }
  const id = idOf(document);
  if (id === null && Object.hasOwn(document, 'id')) {
    return bad(null, 'The id of a request is a string of 1 to 128 printable ASCII characters.');
  }
  if (own(document, 'pattern') !== topic) {
    return bad(id, 'The pattern of a request is the topic that it was published to.');
  }
  return { id, data: own(document, 'data') };
}

/** The id in a payload that was refused, so that its sender hears of it. */
function idIn(payload: Buffer): string | null {
  try {
    return idOf(JSON.parse(payload.toString('utf8')) as Json);
  } catch {
    return null;
  }
}

function idOf(document: Json): string | null {
  const id = document !== null && typeof document === 'object' ? own(document, 'id') : null;
  return typeof id === 'string' && REQUEST_ID.test(id) ? id : null;
}

function own(document: object, name: string): Json | undefined {
  return Object.hasOwn(document, name) ? (document as { readonly [name: string]: Json })[name] : undefined;
}

/** Pointers lead into the data, as those of all other errors of requests do. */
function withinData(error: unknown): unknown {
  if (!(error instanceof JsonError)) return error;
  return new JsonError(error.reason, error.message, error.pointer.replace(/^\/data(?=\/|$)/, ''));
}

function bad(id: string | null, detail: string): BadEnvelope {
  return new BadEnvelope(id, MqttErrors.BAD_ENVELOPE(detail));
}
