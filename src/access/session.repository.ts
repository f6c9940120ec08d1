import { Injectable } from '@nestjs/common';
import type { Actor } from '../common/access.js';
import { auditEntry } from '../storage/audit-entry.js';
import { Database } from '../storage/database.js';

/** How many sessions of one key are kept: the newest. */
const PER_KEY = 100;

/** A session as it is kept. Times in epoch milliseconds. */
export interface Session {
  /** Of the secret in the cookie. */
  readonly hash: string;
  readonly keyId: string;
  readonly expiresAt: number;
}

/** The rows of sessions. Those of a revoked key go with it (key.repository.ts), expired ones with retention. */
@Injectable()
export class SessionRepository {
  constructor(private readonly database: Database) {}

  /** The session, or null; it may have expired. */
  async find(hash: string): Promise<Session | null> {
    const row = await this.database.point
      .selectFrom('sessions')
      .select(['key_id', 'expires_at'])
      .where('hash', '=', hash)
      .executeTakeFirst();
    return row ? { hash, keyId: row.key_id, expiresAt: row.expires_at } : null;
  }

  /** Stores a new session; the oldest of its key gives way. */
  async create({ hash, keyId, expiresAt }: Session, actor: Actor): Promise<void> {
    const { sql } = this.database;
    const newest = sql
      .selectFrom('sessions')
      .select('hash')
      .where('key_id', '=', keyId)
      .orderBy('created_at', 'desc')
      .limit(PER_KEY - 1);
    await this.database.write([
      sql.deleteFrom('sessions').where('key_id', '=', keyId).where('hash', 'not in', newest).compile(),
      sql
        .insertInto('sessions')
        .values({ hash, key_id: keyId, created_at: Date.now(), expires_at: expiresAt })
        .compile(),
      auditEntry(sql, actor, 'session.create', keyId),
    ]);
  }

  async remove({ hash, keyId }: Session, actor: Actor): Promise<void> {
    const { sql } = this.database;
    await this.database.write([
      sql.deleteFrom('sessions').where('hash', '=', hash).compile(),
      auditEntry(sql, actor, 'session.end', keyId),
    ]);
  }
}
