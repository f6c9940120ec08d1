import type { Expression, Kysely, SqlBool } from 'kysely';
import type { Actor } from '../common/access.js';
import { newId } from '../common/ids.js';
import type { Statement } from './database.js';
import type { Schema } from './schema.js';

/**
 * A statement that writes a change into the audit log, for the job that makes the change. `action`: `device.create` and the
 * like; `target`: the id of what is changed. Neither may hold a secret or what a caller sent.
 */
export function auditEntry(sql: Kysely<Schema>, actor: Actor, action: string, target: string): Statement {
  return sql
    .insertInto('audit')
    .values(rowOf(actor, action, target))
    .compile();
}

/** The same for a change that is made only where `condition` holds. To be put before it in the job, so that both judge the same rows. */
export function auditEntryIf(
  sql: Kysely<Schema>,
  actor: Actor,
  action: string,
  target: string,
  condition: Expression<SqlBool>,
): Statement {
  const row = rowOf(actor, action, target);
  const columns = Object.keys(row) as (keyof typeof row)[];
  const values = sql.selectNoFrom((eb) => columns.map((column) => eb.val(row[column]).as(column))).where(condition);
  return sql.insertInto('audit').columns(columns).expression(values).compile();
}

function rowOf({ id: actor, ip, requestId }: Actor, action: string, target: string) {
  return { id: newId(), at: Date.now(), actor, action, target, ip, request_id: requestId };
}
