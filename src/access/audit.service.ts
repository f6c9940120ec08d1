import { Injectable } from '@nestjs/common';
import { formatTime } from '../common/clock.js';
import { decodeCursor, type Page, pageOf } from '../common/cursor.js';
import { refuseBackwards } from '../common/interval.js';
import { type AuditEntry, type AuditFilter, AuditRepository } from './audit.repository.js';

/** An entry of the audit log as the API shows it: no bodies, no secrets. */
export type AuditResource = Omit<AuditEntry, 'seq' | 'at'> & { readonly at: string };

/** Who changed what. */
@Injectable()
export class AuditService {
  constructor(private readonly entries: AuditRepository) {}

  /** Newest first. Throws BAD_RANGE, BAD_CURSOR, CURSOR_MISMATCH. */
  async list(filter: AuditFilter, limit: number, cursor: string | null): Promise<Page<AuditResource>> {
    refuseBackwards(filter.from, filter.to);
    const scope = { list: 'audit', ...filter };
    const before = cursor === null ? null : Number(decodeCursor(cursor, scope)[0]);
    const rows = await this.entries.page(filter, limit + 1, before);
    return pageOf(rows, limit, scope, ({ seq }) => [seq], shown);
  }
}

function shown({ at, actor, action, target, ip, requestId }: AuditEntry): AuditResource {
  return { at: formatTime(at), actor, action, target, ip, requestId };
}
