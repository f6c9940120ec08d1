import { Injectable } from '@nestjs/common';
import { Database } from '../storage/database.js';

/** Who changed what. `at` in epoch milliseconds; `ip`, `requestId` null: no request was behind it. */
export interface AuditEntry {
  readonly seq: number;
  readonly at: number;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly ip: string | null;
  readonly requestId: string | null;
}

/** Which entries are asked for; absent members do not restrict. Times in epoch milliseconds, `[from, to)`. */
export interface AuditFilter {
  readonly actor?: readonly string[] | undefined;
  readonly action?: readonly string[] | undefined;
  readonly target?: readonly string[] | undefined;
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

/** The audit log, as it is read. Entries are written with the changes that they are about (storage/audit-entry.ts). */
@Injectable()
export class AuditRepository {
  constructor(private readonly database: Database) {}

  /** The newest entries below `before`. */
  async page(filter: AuditFilter, limit: number, before: number | null): Promise<AuditEntry[]> {
    const { from, to } = filter;
    let query = this.database.scan
      .selectFrom('audit')
      .select(['seq', 'at', 'actor', 'action', 'target', 'ip', 'request_id'])
      .orderBy('seq', 'desc')
      .limit(limit);
    for (const column of ['actor', 'action', 'target'] as const) {
      const names = filter[column];
      if (names !== undefined) query = query.where(column, 'in', names);
    }
    if (from !== undefined) query = query.where('at', '>=', from);
    if (to !== undefined) query = query.where('at', '<', to);
    if (before !== null) query = query.where('seq', '<', before);
    const rows = await query.execute();
    return rows.map(({ request_id: requestId, ...row }) => ({ ...row, requestId }));
  }
}
