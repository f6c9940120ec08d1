import type { Insertable, Selectable } from 'kysely';
import type { Json } from '../common/json.js';
import type { Schema } from '../storage/schema.js';
import type { Command } from './command.js';
import {
  COMMAND_RANK,
  type CommandChange,
  type CommandError,
  type CommandStatus,
  dueAt,
  type LateResult,
} from './command.machine.js';

type Row = Selectable<Schema['commands']>;
/** A row of `commands` without what the database makes of it. */
export type NewRow = Insertable<Schema['commands']>;

/** The columns that a change may touch; `version` is one more than that of the command it was made of. */
export function changingColumns(command: Command) {
  const { status, progress } = command;
  return {
    status,
    rank: COMMAND_RANK[status],
    final: command.final ? 1 : 0,
    attempts: command.attempts,
    deadline_at: command.deadlineAt,
    next_attempt_at: command.nextAttemptAt,
    last_attempt_at: command.lastAttemptAt,
    cancel_requested_at: command.cancelRequestedAt,
    superseded: command.superseded ? 1 : 0,
    progress,
    result: textOf(command.result),
    error: textOf(command.error),
    late_result: textOf(command.lateResult),
    history: JSON.stringify(command.history),
    due_at: dueAt(command),
  } as const;
}

/** A command that is stored for the first time. */
export function newRow(command: Command): NewRow {
  return {
    ...changingColumns(command),
    id: command.id,
    device_id: command.deviceId,
    link: command.link,
    type: command.type,
    params: JSON.stringify(command.params),
    mode: command.mode,
    offline: command.offline,
    order: command.order,
    max_attempts: command.maxAttempts,
    coalesce_key: command.coalesceKey,
    metadata: JSON.stringify(command.metadata),
    created_at: command.createdAt,
    expires_at: command.expiresAt,
    result_timeout_ms: command.resultTimeoutMs,
    version: command.version,
  };
}

/** Reads a row of `commands`. */
export function commandOf(row: Row): Command {
  return {
    seq: row.seq,
    id: row.id,
    deviceId: row.device_id,
    link: row.link,
    type: row.type,
    params: JSON.parse(row.params) as Record<string, Json>,
    mode: row.mode,
    offline: row.offline,
    order: row.order,
    maxAttempts: row.max_attempts,
    coalesceKey: row.coalesce_key,
    metadata: JSON.parse(row.metadata) as Record<string, Json>,
    status: row.status as CommandStatus,
    final: row.final === 1,
    attempts: row.attempts,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    resultTimeoutMs: row.result_timeout_ms,
    deadlineAt: row.deadline_at,
    nextAttemptAt: row.next_attempt_at,
    lastAttemptAt: row.last_attempt_at,
    cancelRequestedAt: row.cancel_requested_at,
    superseded: row.superseded === 1,
    progress: row.progress,
    result: valueOf(row.result) as Json,
    error: valueOf(row.error) as CommandError | null,
    lateResult: valueOf(row.late_result) as LateResult | null,
    version: row.version,
    history: (JSON.parse(row.history) as StoredChange[]).map(changeOf),
  };
}

/** As the migration wrote the history of older commands, an `attempt` may be null. */
interface StoredChange extends Omit<CommandChange, 'attempt'> {
  readonly attempt?: number | null;
}

function changeOf({ attempt, ...change }: StoredChange): CommandChange {
  return attempt === undefined || attempt === null ? change : { ...change, attempt };
}

function textOf(value: object | Json): string | null {
  return value === null ? null : JSON.stringify(value);
}

function valueOf(text: string | null): unknown {
  return text === null ? null : JSON.parse(text);
}
