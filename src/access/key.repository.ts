import { Injectable } from '@nestjs/common';
import { type Expression, type RawBuilder, type Selectable, sql, type SqlBool } from 'kysely';
import type { Actor, Tags } from '../common/access.js';
import { auditEntry, auditEntryIf } from '../storage/audit-entry.js';
import { Database, type Statement } from '../storage/database.js';
import type { Schema } from '../storage/schema.js';
import { type ApiKey, START } from './key.js';

/** How many keys there may be: all of them are in memory. */
export const MAX_KEYS = 10_000;

const FIRST: Actor = { id: START, ip: null, requestId: null };
const IS_ADMIN = sql<SqlBool>`scopes like '%"admin"%'`;

/** Where a page of keys goes on: after this one. */
export interface KeyPlace {
  readonly createdAt: number;
  readonly id: string;
}

/** The rows of API keys. Jobs that depend on other keys run one after the other, on all replicas. */
@Injectable()
export class KeyRepository {
  private readonly listeners = new Set<() => void>();

  constructor(private readonly database: Database) {}

  /** All of them, expired ones included, in the order of their creation. */
  async all(): Promise<ApiKey[]> {
    const rows = await this.database.point
      .selectFrom('api_keys')
      .selectAll()
      .orderBy('created_at')
      .orderBy('id')
      .execute();
    return rows.map(keyOf);
  }

  /** The newest keys behind `after`, expired ones included. */
  async page(limit: number, after: KeyPlace | null): Promise<ApiKey[]> {
    const newest = this.database.point
      .selectFrom('api_keys')
      .selectAll()
      .orderBy('created_at', 'desc')
      .orderBy('id', 'desc')
      .limit(limit);
    const rest = after && newest.where(sql<SqlBool>`(created_at, id) < (${after.createdAt}, ${after.id})`);
    const rows = await (rest ?? newest).execute();
    return rows.map(keyOf);
  }

  /** The key, or null. */
  async find(id: string): Promise<ApiKey | null> {
    const row = await this.database.point.selectFrom('api_keys').selectAll().where('id', '=', id).executeTakeFirst();
    return row ? keyOf(row) : null;
  }

  /** Stores a new key; false, and nothing stored, where there are {@link MAX_KEYS} already. */
  async create(key: ApiKey, actor: Actor): Promise<boolean> {
    return this.insertIf(key, actor, sql<SqlBool>`(select count(*) from api_keys) < ${MAX_KEYS}`);
  }

  /** Stores the first admin key; false, and nothing stored, where there is a valid one, which another replica may have made just now. */
  async createFirst(key: ApiKey): Promise<boolean> {
    return this.insertIf(
      key,
      FIRST,
      sql<SqlBool>`not exists (select 1 from api_keys where ${IS_ADMIN} and ${validAt(Date.now())})`,
    );
  }

  /** Stores the admin key of the settings in place of all that the start made before, which end with their sessions. */
  async replaceFirst(key: ApiKey, before: readonly ApiKey[]): Promise<void> {
    const build = this.database.sql;
    const old = build
      .selectFrom('api_keys')
      .select('id')
      .where((eb) => eb.or([eb('created_by', '=', START), eb('id', '=', key.id)]));
    await this.change(
      [
        build.deleteFrom('sessions').where('key_id', 'in', old).compile(),
        build.deleteFrom('api_keys').where('id', 'in', old).compile(),
        build.insertInto('api_keys').values(rowOf(key)).compile(),
        ...before.map(({ id }) => auditEntry(build, FIRST, 'key.revoke', id)),
        auditEntry(build, FIRST, 'key.create', key.id),
      ],
      key.id,
    );
  }

  /**
   * Removes the key and its sessions. False, and nothing removed, where it is the last admin key that never expires, or where it
   * is not there.
   */
  async remove(id: string, actor: Actor): Promise<boolean> {
    const build = this.database.sql;
    const others = sql<SqlBool>`exists (select 1 from api_keys where id <> ${id} and ${IS_ADMIN} and expires_at is null)`;
    const mayGo = sql<SqlBool>`exists (select 1 from api_keys where id = ${id}
      and (not (${IS_ADMIN}) or expires_at is not null or ${others}))`;
    const results = await this.change(
      [
        auditEntryIf(build, actor, 'key.revoke', id, mayGo),
        build.deleteFrom('sessions').where('key_id', '=', id).where(mayGo).compile(),
        build.deleteFrom('api_keys').where('id', '=', id).where(mayGo).compile(),
      ],
      id,
    );
    return results.at(-1)!.changes === 1;
  }

  /** Calls back when keys may have changed: by this replica before the change resolves, by another when its news comes. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    const end = this.database.onNews('keys', () => listener());
    return () => {
      this.listeners.delete(listener);
      end();
    };
  }

  private async insertIf(key: ApiKey, actor: Actor, condition: Expression<SqlBool>): Promise<boolean> {
    const build = this.database.sql;
    const row = rowOf(key);
    const columns = Object.keys(row) as (keyof typeof row)[];
    const values = build.selectNoFrom((eb) => columns.map((column) => eb.val(row[column]).as(column)));
    const results = await this.change(
      [
        auditEntryIf(build, actor, 'key.create', key.id, condition),
        build.insertInto('api_keys').columns(columns).expression(values.where(condition)).compile(),
      ],
      key.id,
    );
    return results.at(-1)!.changes === 1;
  }

  private async change(job: readonly Statement[], id: string) {
    // The row keeps other such jobs waiting until this one is committed. Its lease has always ended.
    const lock = this.database.sql
      .insertInto('leases')
      .values({ name: 'keys', holder: 'keys', expires_at: 0 })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ expires_at: 0 }))
      .compile();
    const [, ...results] = await this.database.write([lock, ...job], { news: { topic: 'keys', detail: id } });
    // PostgreSQL brings its news later than the answer to the commit.
    for (const listener of this.listeners) listener();
    return results;
  }
}

function validAt(now: number): RawBuilder<SqlBool> {
  return sql<SqlBool>`(expires_at is null or expires_at > ${now})`;
}

function rowOf({ id, name, scopes, tags, hash, createdAt, createdBy, expiresAt }: ApiKey) {
  return {
    id,
    name,
    scopes: JSON.stringify(scopes),
    tags: tags && JSON.stringify(tags),
    hash,
    created_at: createdAt,
    created_by: createdBy,
    expires_at: expiresAt,
  };
}

function keyOf(row: Selectable<Schema['api_keys']>): ApiKey {
  return {
    id: row.id,
    name: row.name,
    scopes: JSON.parse(row.scopes) as string[],
    tags: row.tags === null ? null : (JSON.parse(row.tags) as Tags),
    hash: row.hash,
    createdAt: row.created_at,
    createdBy: row.created_by,
    expiresAt: row.expires_at,
  };
}
