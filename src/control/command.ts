import { formatTime } from '../common/clock.js';
import type { Json } from '../common/json.js';
import type { DeviceLink } from '../storage/log.js';
import {
  advance,
  type CommandChange,
  type CommandEvent,
  type CommandFate,
  type CommandMode,
} from './command.machine.js';

/** Largest `params` and `metadata` in bytes of JSON. */
export const MAX_PARAMS_BYTES = 32_768;
export const MAX_METADATA_BYTES = 4_096;

/** Most commands of one device that are not final. */
export const MAX_OPEN = 100;

type JsonObject = Readonly<Record<string, Json>>;

/** What is asked for. Durations in milliseconds; `params` at most 32 KiB, `metadata` at most 4 KiB of JSON. */
export interface CommandRequest {
  readonly deviceId: string;
  readonly type: string;
  readonly params: JsonObject;
  readonly ttlMs: number;
  readonly resultTimeoutMs: number;
  readonly mode: CommandMode;
  readonly offline: 'queue' | 'fail';
  readonly maxAttempts: number;
  readonly order: 'parallel' | 'fifo';
  readonly coalesceKey: string | null;
  readonly metadata: JsonObject;
}

/** What a request that names no more than a device and a type asks for. */
export const COMMAND_DEFAULTS = {
  params: {},
  ttlMs: 60_000,
  resultTimeoutMs: 30_000,
  mode: 'result',
  offline: 'queue',
  maxAttempts: 3,
  order: 'parallel',
  coalesceKey: null,
  metadata: {},
} as const satisfies Omit<CommandRequest, 'deviceId' | 'type'>;

/** A command with the facts observed so far. Times are epoch milliseconds. */
export interface Command extends CommandFate {
  /** Order of creation; 0 until it is stored. */
  readonly seq: number;
  readonly id: string;
  readonly deviceId: string;
  readonly link: DeviceLink;
  readonly type: string;
  readonly params: JsonObject;
  readonly offline: 'queue' | 'fail';
  readonly order: 'parallel' | 'fifo';
  readonly coalesceKey: string | null;
  readonly createdAt: number;
  readonly metadata: JsonObject;
  readonly lastAttemptAt: number | null;
  /** Rises with every change. */
  readonly version: number;
  readonly history: readonly CommandChange[];
}

/**
 * What the event makes of the command, its history and times included, or null where it changes nothing. No entry of the
 * history is earlier than the one before it, although an answer is told with the time at which it came in.
 */
export function evolve(command: Command, event: CommandEvent): Command | null {
  const step = advance(command, event);
  if (!step) return null;
  const { history } = command;
  return {
    ...step.fate,
    lastAttemptAt: event.kind === 'attempt' ? event.at : command.lastAttemptAt,
    history: step.change ? [...history, notBefore(history.at(-1)?.at ?? 0, step.change)] : history,
  };
}

function notBefore(time: number, change: CommandChange): CommandChange {
  return change.at < time ? { ...change, at: time } : change;
}

/** A command that was asked for just now, not stored yet. Devices on foreign topics give no answers, so its mode is `none`. */
export function newCommand(
  request: CommandRequest,
  id: string,
  link: DeviceLink,
  createdAt: number,
  by: string,
): Command {
  const { ttlMs, ...asked } = request;
  return {
    ...asked,
    seq: 0,
    id,
    link,
    mode: link === 'foreign' ? 'none' : request.mode,
    status: 'PENDING',
    final: false,
    attempts: 0,
    createdAt,
    expiresAt: createdAt + ttlMs,
    deadlineAt: null,
    nextAttemptAt: createdAt,
    lastAttemptAt: null,
    cancelRequestedAt: null,
    superseded: false,
    progress: null,
    result: null,
    error: null,
    lateResult: null,
    version: 0,
    history: [{ status: 'PENDING', at: createdAt, by }],
  };
}

/** What goes to a native device, on `down/commands/{id}`, and to one that asks over HTTP. `ttlMs` is what is left at `now`. */
export function nativePayload({ id, type, params, attempts, expiresAt }: Command, now: number): string {
  const ttlMs = Math.max(0, expiresAt - now);
  return JSON.stringify({ id, type, params, attempt: attempts, expiresAt: formatTime(expiresAt), ttlMs });
}

/** What goes to a foreign device: the command's name and its parameters side by side. */
export function foreignPayload({ type, params }: Command): string {
  return JSON.stringify({ command: type, ...params });
}
