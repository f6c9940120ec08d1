import { formatTime } from '../common/clock.js';
import type { Json } from '../common/json.js';
import type { DeviceLink } from '../storage/log.js';

/** The form of a command's type: 1-64 characters, the first a letter. */
export const COMMAND_TYPE = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/;

/** Largest `params` in bytes of JSON. */
export const MAX_PARAMS_BYTES = 32_768;

/** The observed facts of a command's life and their rank; a change of status needs a higher rank (contract of commands, docs/commands.md). */
export const COMMAND_RANK = { PENDING: 0, SENT: 1 } as const;

export type CommandStatus = keyof typeof COMMAND_RANK;
export type CommandMode = 'result' | 'ack' | 'none';

/** What is surely known of the execution. */
export type CommandOutcome = 'not_executed' | 'unknown';

/** A command with the facts observed so far. Times are epoch milliseconds. */
export interface Command {
  readonly id: string;
  readonly deviceId: string;
  readonly link: DeviceLink;
  readonly type: string;
  readonly params: Readonly<Record<string, Json>>;
  readonly mode: CommandMode;
  readonly status: CommandStatus;
  readonly final: boolean;
  readonly attempts: number;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly metadata: Readonly<Record<string, Json>>;
  readonly history: readonly CommandChange[];
}

/** One change of status. `attempt` counts sends from 1. */
export interface CommandChange {
  readonly status: CommandStatus;
  readonly at: number;
  readonly attempt?: number;
}

/** `not_executed` is only ever said while no send has begun. */
export function outcomeOf({ attempts }: Pick<Command, 'attempts'>): CommandOutcome {
  return attempts === 0 ? 'not_executed' : 'unknown';
}

/** True where SENT is the last thing that will be known: the sender asked for no answer, or the device cannot give one. */
export function isFinalWhenSent(mode: CommandMode): boolean {
  return mode === 'none';
}

/** What goes to a native device, on `down/commands/{id}`. `ttlMs` is what is left at `now`. */
export function nativePayload({ id, type, params, expiresAt }: Command, attempt: number, now: number): string {
  const ttlMs = Math.max(0, expiresAt - now);
  return JSON.stringify({ id, type, params, attempt, expiresAt: formatTime(expiresAt), ttlMs });
}

/** What goes to a foreign device: the command's name and its parameters side by side. */
export function foreignPayload({ type, params }: Command): string {
  return JSON.stringify({ command: type, ...params });
}
