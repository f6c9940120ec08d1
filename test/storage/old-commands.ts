import type { Database } from '../../src/storage/database.js';

const COLUMNS =
  'id, device_id, link, type, params, mode, offline, "order", max_attempts, metadata, status, rank, final, attempts, created_at, expires_at, result_timeout_ms';

/** Commands as schema version 3 kept them: one that was sent and waits, one that ended, one that was never sent. */
export const OLD_COMMANDS: readonly string[] = [
  `insert into commands (${COLUMNS}) values
    ('sent', 'd', 'native', 'X', '{}', 'result', 'queue', 'parallel', 3, '{}', 'SENT', 1, 0, 1, 1000, 61000, 30000),
    ('ended', 'd', 'foreign', 'X', '{}', 'none', 'queue', 'parallel', 3, '{}', 'SENT', 1, 1, 1, 2000, 62000, 30000),
    ('new', 'd', 'native', 'X', '{}', 'result', 'queue', 'parallel', 3, '{}', 'PENDING', 0, 0, 0, 3000, 63000, 30000)`,
  `insert into command_history (command_id, n, status, at, attempt) values
    ('sent', 1, 'SENT', 1001, 1), ('sent', 0, 'PENDING', 1000, null),
    ('ended', 0, 'PENDING', 2000, null), ('ended', 1, 'SENT', 2001, 1), ('new', 0, 'PENDING', 3000, null)`,
];

const pending = (at: number) => ({ status: 'PENDING', at, attempt: null });
const sent = (at: number) => ({ status: 'SENT', at, attempt: 1 });

/** What is to be left of them: what was sent is due at its end, what was not at once. */
export const COMMANDS_KEPT = [
  { id: 'sent', due_at: 61_000, version: 0, superseded: 0, history: [pending(1_000), sent(1_001)] },
  { id: 'ended', due_at: null, version: 0, superseded: 0, history: [pending(2_000), sent(2_001)] },
  { id: 'new', due_at: 3_000, version: 0, superseded: 0, history: [pending(3_000)] },
];

/** The commands of a database in the form of {@link COMMANDS_KEPT}. */
export async function commandsIn(database: Database): Promise<unknown[]> {
  const commands = database.point.selectFrom('commands');
  const rows = await commands.select(['id', 'due_at', 'version', 'superseded', 'history']).orderBy('seq').execute();
  return rows.map(({ history, ...row }) => ({ ...row, history: JSON.parse(history) as unknown }));
}
