import { Injectable } from '@nestjs/common';
import type { Json } from '../common/json.js';
import { Database, type Statement } from '../storage/database.js';
import type { Command, CommandChange, CommandStatus } from './command.js';
import { COMMAND_RANK } from './command.js';
import { KEY_KEPT_MS, type KeyedRequest, type RequestKey } from './idempotency.js';

/** Settings of a command that its answers and retries will need. Times in milliseconds. */
export interface CommandPolicy {
  readonly offline: 'queue' | 'fail';
  readonly order: 'parallel' | 'fifo';
  readonly maxAttempts: number;
  readonly resultTimeoutMs: number;
  readonly coalesceKey: string | null;
}

/** Commands and their history. Every change is one guarded job: a status only moves to a higher rank. */
@Injectable()
export class CommandRepository {
  constructor(private readonly database: Database) {}

  /** Throws STORAGE_UNAVAILABLE while the database is away. */
  refuseWhileDown(): void {
    this.database.refuseWhileDown();
  }

  /**
   * Stores a new PENDING command together with `alongside` and, where it has one, its key; resolves after the commit. Rejects,
   * with nothing stored, where the key is taken.
   */
  async create(
    command: Command,
    policy: CommandPolicy,
    alongside: Statement,
    keyed: KeyedRequest | null,
  ): Promise<void> {
    await this.database.write([
      alongside,
      this.database.sql
        .insertInto('commands')
        .values({
          id: command.id,
          device_id: command.deviceId,
          link: command.link,
          type: command.type,
          params: JSON.stringify(command.params),
          mode: command.mode,
          offline: policy.offline,
          order: policy.order,
          max_attempts: policy.maxAttempts,
          coalesce_key: policy.coalesceKey,
          metadata: JSON.stringify(command.metadata),
          status: command.status,
          rank: COMMAND_RANK[command.status],
          final: command.final ? 1 : 0,
          attempts: command.attempts,
          created_at: command.createdAt,
          expires_at: command.expiresAt,
          result_timeout_ms: policy.resultTimeoutMs,
          deadline_at: null,
          next_attempt_at: null,
          cancel_requested_at: null,
          progress: null,
          result: null,
          error: null,
          late_result: null,
        })
        .compile(),
      this.historyEntry(command.id, { status: command.status, at: command.createdAt }),
      ...(keyed ? this.claim(keyed, command) : []),
    ]);
  }

  /** What was asked for under a key that is still remembered at `now`, or null. */
  async findKey(
    { caller, key }: RequestKey,
    now: number,
  ): Promise<{ readonly commandId: string; readonly fingerprint: string } | null> {
    const row = await this.database.point
      .selectFrom('idempotency_keys')
      .select(['command_id as commandId', 'fingerprint'])
      .where('caller', '=', caller)
      .where('key', '=', key)
      .where('created_at', '>', now - KEY_KEPT_MS)
      .executeTakeFirst();
    return row ?? null;
  }

  /** Counts a send that is about to begin; resolves with its number (from 1) after the commit. */
  async beginAttempt(id: string): Promise<number> {
    const [result] = await this.database.write([
      this.database.sql
        .updateTable('commands')
        .set((eb) => ({ attempts: eb('attempts', '+', 1) }))
        .where('id', '=', id)
        .returning('attempts')
        .compile(),
    ]);
    return Number(result!.rows[0]!['attempts']);
  }

  /** Raises the status where the new rank is higher, with its history entry; resolves after the commit. */
  async raise(id: string, change: CommandChange, final: boolean): Promise<void> {
    const rank = COMMAND_RANK[change.status];
    await this.database.write([
      this.historyEntry(id, change),
      this.database.sql
        .updateTable('commands')
        .set({ status: change.status, rank, final: final ? 1 : 0 })
        .where('id', '=', id)
        .where('rank', '<', rank)
        .compile(),
    ]);
  }

  /** The command with its history, or null. */
  async find(id: string): Promise<Command | null> {
    const row = await this.database.point.selectFrom('commands').selectAll().where('id', '=', id).executeTakeFirst();
    if (!row) return null;
    const history = await this.database.point
      .selectFrom('command_history')
      .select(['status', 'at', 'attempt'])
      .where('command_id', '=', id)
      .orderBy('n')
      .execute();
    return {
      id: row.id,
      deviceId: row.device_id,
      link: row.link,
      type: row.type,
      params: JSON.parse(row.params) as Record<string, Json>,
      mode: row.mode,
      status: row.status as CommandStatus,
      final: row.final === 1,
      attempts: row.attempts,
      createdAt: row.created_at,
      expiresAt: row.expires_at,
      metadata: JSON.parse(row.metadata) as Record<string, Json>,
      history: history.map(({ status, at, attempt }) => ({
        status: status as CommandStatus,
        at,
        ...(attempt === null ? {} : { attempt }),
      })),
    };
  }

  /** Takes the key for the command, from an earlier one only where that is forgotten. */
  private claim({ caller, key, fingerprint }: KeyedRequest, { id, createdAt }: Command): Statement[] {
    return [
      this.database.sql
        .deleteFrom('idempotency_keys')
        .where('caller', '=', caller)
        .where('key', '=', key)
        .where('created_at', '<=', createdAt - KEY_KEPT_MS)
        .compile(),
      this.database.sql
        .insertInto('idempotency_keys')
        .values({ caller, key, fingerprint, command_id: id, created_at: createdAt })
        .compile(),
    ];
  }

  /** Adds nothing where the command already has that rank, so that it may stand beside the guarded update in one job. */
  private historyEntry(id: string, { status, at, attempt }: CommandChange): Statement {
    const rank = COMMAND_RANK[status];
    return this.database.sql
      .insertInto('command_history')
      .columns(['command_id', 'n', 'status', 'at', 'attempt'])
      .expression((eb) =>
        eb
          .selectFrom('commands')
          .select((select) => [
            'id',
            select
              .selectFrom('command_history')
              .select((count) => count.fn.countAll<number>().as('n'))
              .where('command_id', '=', id)
              .as('n'),
            select.val(status).as('status'),
            select.val(at).as('at'),
            select.val(attempt ?? null).as('attempt'),
          ])
          .where('id', '=', id)
          .where(rank === 0 ? (where) => where('rank', '=', 0) : (where) => where('rank', '<', rank)),
      )
      .compile();
  }
}
