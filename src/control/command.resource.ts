import { formatTime } from '../common/clock.js';
import { type Command, outcomeOf } from './command.js';

/** A command as the REST API shows it. */
export type CommandResource = Readonly<Record<string, unknown>>;

/** The REST form of a command: contract names, times in RFC 3339. */
export function commandResource(command: Command): CommandResource {
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
    deadlineAt: null,
    cancelRequestedAt: null,
    progress: null,
    result: null,
    error: null,
    lateResult: null,
    metadata: command.metadata,
    history: command.history.map(({ at, ...change }) => ({ ...change, at: formatTime(at) })),
  };
}
