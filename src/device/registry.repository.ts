import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type RawBuilder, sql } from 'kysely';
import type { Tags } from '../common/access.js';
import { Database, type Statement, type StatementResult } from '../storage/database.js';
import { Prepared } from '../storage/prepared.js';
import { carries } from '../storage/with-tags.js';
import { newsOf, readNews, type RegistryChange } from './registry.change.js';
import type { RegisteredDevice, RegistryEntry } from './registry.device.js';

export type { RegisteredDevice } from './registry.device.js';

/** What a device may log in with. Times in epoch milliseconds; `expiresAt` null: until it is revoked. */
export interface KeptCredential {
  readonly id: string;
  readonly hash: string;
  readonly createdAt: number;
  readonly expiresAt: number | null;
}

/** As a literal, because only then do the planners use the index of those that are kept out. */
const NO: RawBuilder<number> = sql.lit(0);
/** Ids that share a query, far from what a statement may hold. */
const IDS_PER_QUERY = 1_000;

/** The rows of the registry. */
@Injectable()
export class RegistryRepository {
  private readonly byId = new Prepared(({ id }: { id: string }) =>
    this.database.point.selectFrom('devices').select(['id', 'link', 'enabled', 'approved']).where('id', '=', id),
  );

  private author = newAuthor();
  private readonly listeners = new Set<(change: RegistryChange) => void>();

  constructor(readonly database: Database) {}

  /** The device, or null where there is none. */
  async find(id: string): Promise<RegisteredDevice | null> {
    const [row] = (await this.database.point.executeQuery(this.byId.with({ id }))).rows;
    return row ? deviceOf(row) : null;
  }

  /** Those of the devices that there are, by id. */
  async findAll(ids: readonly string[]): Promise<ReadonlyMap<string, RegisteredDevice>> {
    const found = new Map<string, RegisteredDevice>();
    for (let i = 0; i < ids.length; i += IDS_PER_QUERY) {
      const rows = await this.database.point
        .selectFrom('devices')
        .select(['id', 'link', 'enabled', 'approved'])
        .where('id', 'in', ids.slice(i, i + IDS_PER_QUERY))
        .execute();
      for (const row of rows) found.set(row.id, deviceOf(row));
    }
    return found;
  }

  /** All devices that are disabled or wait for approval. */
  async keptOut(): Promise<RegisteredDevice[]> {
    const rows = await this.database.point
      .selectFrom('devices')
      .select(['id', 'link', 'enabled', 'approved'])
      .where((eb) => eb.or([eb('enabled', '=', NO), eb('approved', '=', NO)]))
      .execute();
    return rows.map(deviceOf);
  }

  /** All that is kept of the device, or null where there is none. */
  async entry(id: string): Promise<RegistryEntry | null> {
    const row = await this.database.point
      .selectFrom('devices')
      .select(['id', 'link', 'enabled', 'approved', 'name', 'type', 'created_at', 'version'])
      .where('id', '=', id)
      .executeTakeFirst();
    return row ? { ...deviceOf(row), ...aboutOf(row), tags: await this.tagsOf(id) } : null;
  }

  async tagsOf(deviceId: string): Promise<Tags> {
    const rows = await this.database.point
      .selectFrom('device_tags')
      .select(['key', 'value'])
      .where('device_id', '=', deviceId)
      .orderBy('key')
      .execute();
    return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
  }

  /** Those of the ids whose devices carry all of these tags. */
  async carriersAmong(ids: readonly string[], tags: Tags): Promise<ReadonlySet<string>> {
    const rows = await this.database.point
      .selectFrom('devices')
      .select('id')
      .where('id', 'in', ids)
      .where(carries(sql.ref('devices.id'), tags))
      .execute();
    return new Set(rows.map(({ id }) => id));
  }

  /** True where something is kept that a device with this id sent or was sent, but for what it sent without being registered. */
  async hasHistory(id: string): Promise<boolean> {
    const of = (table: string) => sql`exists (select 1 from ${sql.table(table)} where device_id = ${id})`;
    const rejects = sql`exists (select 1 from rejects where device_id = ${id} and code <> 'DEVICE_UNKNOWN')`;
    const { rows } = await sql<{ readonly found: number }>`
      select case when ${of('readings')} or ${of('events')} or ${rejects} or ${of('commands')} then 1 else 0 end as found`.execute(
      this.database.scan,
    );
    return rows[0]!.found === 1;
  }

  /** All that are kept, the oldest first, expired ones included. */
  async credentialsOf(deviceId: string): Promise<KeptCredential[]> {
    const rows = await this.database.point
      .selectFrom('credentials')
      .select(['id', 'hash', 'created_at', 'expires_at'])
      .where('device_id', '=', deviceId)
      .orderBy('created_at')
      .orderBy('id')
      .execute();
    return rows.map((row) => ({ id: row.id, hash: row.hash, createdAt: row.created_at, expiresAt: row.expires_at }));
  }

  /** Topics with a retained message below a device's own or `among` others, as far as our broker keeps them; at an external one there are none here. */
  async retainedTopics(below: string, among: readonly string[]): Promise<string[]> {
    // "0" is the character behind "/".
    const end = `${below.slice(0, -1)}0`;
    const rows = await this.database.point
      .selectFrom('retained')
      .select('topic')
      .where((eb) =>
        eb.or([
          eb.and([eb('topic', '>=', below), eb('topic', '<', end)]),
          ...(among.length > 0 ? [eb('topic', 'in', among)] : []),
        ]),
      )
      .execute();
    return rows.map(({ topic }) => topic);
  }

  /** Runs the statements as one job; after the commit this replica has been told of the change, and the others are being told. */
  async change(job: readonly Statement[], change: RegistryChange): Promise<StatementResult[]> {
    const news = { topic: 'devices', detail: newsOf(change, this.author) } as const;
    const results = await this.database.write(job, { news }).catch((error: unknown) => {
      // It may be committed all the same, and then its news is news here too.
      this.author = newAuthor();
      throw error;
    });
    for (const listener of this.listeners) listener(change);
    return results;
  }

  /** Calls back after every change, whichever replica has made it. Returns what ends it. */
  onChange(listener: (change: RegistryChange) => void): () => void {
    this.listeners.add(listener);
    const end = this.database.onNews('devices', (detail) => {
      const { author, change } = readNews(detail);
      // Our own changes are told when they are made, whatever becomes of the news.
      if (author !== this.author) listener(change);
    });
    return () => {
      end();
      this.listeners.delete(listener);
    };
  }
}

/** Names this process to itself in news. */
function newAuthor(): string {
  return randomBytes(6).toString('hex');
}

/** What a query of the registry's columns gives. */
interface Row {
  readonly id: string;
  readonly link: RegisteredDevice['link'];
  readonly enabled: number;
  readonly approved: number;
}

/** The device in a row. */
export function deviceOf({ id, link, enabled, approved }: Row): RegisteredDevice {
  return { id, link, enabled: enabled === 1, approved: approved === 1 };
}

/** What else is in a row. */
export function aboutOf(row: {
  readonly name: string | null;
  readonly type: string | null;
  readonly created_at: number;
  readonly version: number;
}): Pick<RegistryEntry, 'name' | 'type' | 'createdAt' | 'version'> {
  return { name: row.name, type: row.type, createdAt: row.created_at, version: row.version };
}
