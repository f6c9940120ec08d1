import type { Kysely } from 'kysely';
import type { Actor } from '../common/access.js';
import { newId } from '../common/ids.js';
import type { Statement } from './database.js';
import type { Schema } from './schema.js';

/**
 * A statement that writes a change into the audit log, for the job that makes the change. `action`: `device.create` and the
 * like; `target`: the id of what is changed. Neither may hold a secret or what a caller sent.
 */
export function auditEntry(
  sql: Kysely<Schema>,
  { id: actor, ip, requestId }: Actor,
  action: string,
  target: string,
): Statement {
  return sql
    .insertInto('audit')
    .values({ id: newId(), at: Date.now(), actor, action, target, ip, request_id: requestId })
    .compile();
}
