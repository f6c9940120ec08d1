import { type Json, JsonError, parseJson } from '../common/json.js';
import type { Answer } from './command.machine.js';

/** Largest `result` in bytes of JSON. */
const MAX_RESULT_BYTES = 65_536;
const MAX_TEXT_BYTES = 1_024;
const MAX_DEPTH = 33;
const STATUSES = new Set<unknown>(['accepted', 'progress', 'succeeded', 'failed', 'rejected', 'cancelled']);

/** Why an answer says nothing; the message is a sentence for the author of the firmware, `pointer` where in the answer (RFC 6901). */
export class BadAnswer extends Error {
  override readonly name: string = 'BadAnswer';

  constructor(
    message: string,
    readonly pointer: string | null = null,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** There is no such command, or it is another device's. */
export class AnswerToNothing extends BadAnswer {
  override readonly name = 'AnswerToNothing';
}

/** Reads what a device published on `up/commands/{commandId}`. Throws {@link BadAnswer}. */
export function parseAnswer(payload: Uint8Array): Answer {
  return readAnswer(parse(payload));
}

/**
 * Reads an answer: `status`, and where they are there `progress` (0 to 100), `code` and `message` (strings of at most 1 KiB)
 * and `result` (at most 64 KiB of JSON). Other members mean nothing. Throws {@link BadAnswer}.
 */
export function readAnswer(value: Json): Answer {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new BadAnswer('An answer is a JSON object, such as {"status": "succeeded", "result": {"fan": true}}.');
  }
  const { status, progress, code, message, result } = value;
  if (!STATUSES.has(status)) throw new BadAnswer(`"status" must be one of ${[...STATUSES].join(', ')}.`, '/status');
  if (result !== undefined && Buffer.byteLength(JSON.stringify(result)) > MAX_RESULT_BYTES) {
    throw new BadAnswer(`"result" has at most ${MAX_RESULT_BYTES} bytes as JSON.`, '/result');
  }
  return {
    status: status as Answer['status'],
    ...(progress === undefined || progress === null ? {} : { progress: percentage(progress) }),
    ...(code === undefined || code === null ? {} : { code: text('code', code) }),
    ...(message === undefined || message === null ? {} : { message: text('message', message) }),
    ...(result === undefined ? {} : { result }),
  };
}

/** Reads what a device asks for on `up/commands/get`: at most how many commands; null = all. Throws {@link BadAnswer}. */
export function parseGet(payload: Uint8Array): number | null {
  const value = parse(payload);
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new BadAnswer('Ask for commands with {}, or with {"max": 5}.');
  }
  const { max = null } = value;
  if (max === null) return null;
  if (typeof max === 'number' && Number.isInteger(max) && max >= 1) return max;
  throw new BadAnswer('"max" must be a whole number from 1.');
}

function parse(payload: Uint8Array): Json {
  try {
    return parseJson(payload, MAX_DEPTH);
  } catch (error) {
    if (error instanceof JsonError)
      throw new BadAnswer(`The payload must be JSON: ${error.message}.`, error.pointer, { cause: error });
    throw error;
  }
}

function percentage(progress: Json): number {
  if (typeof progress === 'number' && progress >= 0 && progress <= 100) return progress;
  throw new BadAnswer('"progress" must be a number from 0 to 100.', '/progress');
}

function text(name: string, value: Json): string {
  if (typeof value === 'string' && Buffer.byteLength(value) <= MAX_TEXT_BYTES) return value;
  throw new BadAnswer(`"${name}" must be a string of at most ${MAX_TEXT_BYTES} bytes.`, `/${name}`);
}
