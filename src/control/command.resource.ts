import { formatTime } from '../common/clock.js';
import type { Command } from './command.js';
import { type CommandStatus, type LateResult, outcomeOf } from './command.machine.js';

/** A command as the REST API shows it. */
export type CommandResource = Readonly<Record<string, unknown>>;

/** The REST form of a command: contract names, times in RFC 3339. */
export function commandResource(command: Command): CommandResource {
  const { lateResult } = command;
  return {
    id: command.id,
    deviceId: command.deviceId,
    type: command.type,
    params: command.params,
    mode: command.mode,
    status: command.status,
    final: command.final,
    outcome: outcomeOf(command),
    attempts: command.attempts,
    createdAt: formatTime(command.createdAt),
    expiresAt: formatTime(command.expiresAt),
    deadlineAt: timeOrNull(command.deadlineAt),
    cancelRequestedAt: timeOrNull(command.cancelRequestedAt),
    progress: command.progress,
    result: command.result,
    error: command.error,
    lateResult: lateResult && lateResource(lateResult),
    metadata: command.metadata,
    history: command.history.map(({ status, at, ...more }) => ({ status, at: formatTime(at), ...more })),
  };
}

function lateResource({ status, at, code, message, result }: LateResult): Readonly<Record<string, unknown>> {
  return { status, at: formatTime(at), code, message, result };
}

function timeOrNull(time: number | null): string | null {
  return time === null ? null : formatTime(time);
}

/** What a device is told of a command that it has answered over HTTP; a wish to cancel it reaches the device this way. */
export interface AnsweredResource {
  readonly id: string;
  readonly status: CommandStatus;
  readonly final: boolean;
  readonly cancelRequestedAt: string | null;
}

/** The form in which a device sees a command that it has answered. */
export function answeredResource({ id, status, final, cancelRequestedAt }: Command): AnsweredResource {
  return { id, status, final, cancelRequestedAt: timeOrNull(cancelRequestedAt) };
}
