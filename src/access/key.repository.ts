import { Injectable } from '@nestjs/common';
import type { Actor, Tags } from '../common/access.js';
import { auditEntry } from '../storage/audit-entry.js';
import { Database, type Statement } from '../storage/database.js';
import type { ApiKey } from './key.js';

/** The rows of API keys. */
@Injectable()
export class KeyRepository {
  constructor(private readonly database: Database) {}

  /** All of them, expired ones included, in the order of their creation. */
  async all(): Promise<ApiKey[]> {
    const rows = await this.database.point
      .selectFrom('api_keys')
      .selectAll()
      .orderBy('created_at')
      .orderBy('id')
      .execute();
    return rows.map((row) => ({
      id: row.id,
      name: row.name,
      scopes: JSON.parse(row.scopes) as string[],
      tags: row.tags === null ? null : (JSON.parse(row.tags) as Tags),
      hash: row.hash,
      createdAt: row.created_at,
      createdBy: row.created_by,
      expiresAt: row.expires_at,
    }));
  }

  async create(key: ApiKey, actor: Actor): Promise<void> {
    const { sql } = this.database;
    const { id, name, scopes, tags, hash, createdAt, createdBy, expiresAt } = key;
    const insert = sql
      .insertInto('api_keys')
      .values({
        id,
        name,
        scopes: JSON.stringify(scopes),
        tags: tags && JSON.stringify(tags),
        hash,
        created_at: createdAt,
        created_by: createdBy,
        expires_at: expiresAt,
      })
      .compile();
    await this.change([insert, auditEntry(sql, actor, 'key.create', id)], id);
  }

  /** Removes the key and its sessions. */
  async remove(id: string, actor: Actor): Promise<void> {
    const { sql } = this.database;
    await this.change(
      [
        sql.deleteFrom('api_keys').where('id', '=', id).compile(),
        sql.deleteFrom('sessions').where('key_id', '=', id).compile(),
        auditEntry(sql, actor, 'key.revoke', id),
      ],
      id,
    );
  }

  /** Calls back when keys may have changed, on whichever replica. */
  onChange(listener: () => void): () => void {
    return this.database.onNews('keys', () => listener());
  }

  private async change(job: readonly Statement[], id: string): Promise<void> {
    await this.database.write(job, { news: { topic: 'keys', detail: id } });
  }
}
