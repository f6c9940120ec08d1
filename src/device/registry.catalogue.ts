import { Injectable } from '@nestjs/common';
import { type RawBuilder, sql, type SqlBool } from 'kysely';
import type { Principal, Tags } from '../common/access.js';
import { decodeCursor, encodeCursor, type Page } from '../common/cursor.js';
import { Database } from '../storage/database.js';
import { carries } from '../storage/with-tags.js';
import { DeviceService } from './device.service.js';
import type { RegistryEntry } from './registry.device.js';
import { aboutOf, deviceOf } from './registry.repository.js';
import { type DeviceCounts, type DeviceResource, deviceResource } from './registry.resource.js';

/** Which devices are asked for; what is absent does not restrict. */
export interface DeviceFilter {
  /** Part of the id or the name; letters of ASCII in either case. */
  readonly q?: string;
  /** All of which it must carry. */
  readonly tags?: readonly (readonly [key: string, value: string])[];
  readonly types?: readonly string[];
  readonly presence?: readonly string[];
}

type Key = readonly [createdAt: number, id: string];

/** Devices that are looked at for one page at most, where their presence decides. */
const MOST_LOOKED_AT = 5_000;
/** As a literal, because only then do the planners use the index of open commands. */
const OPEN: RawBuilder<number> = sql.lit(0);
const IDS_PER_QUERY = 1_000;

/** The devices as they are shown: what the registry says, whether they are there, and what is counted of them. */
@Injectable()
export class DeviceCatalogue {
  constructor(
    private readonly database: Database,
    private readonly devices: DeviceService,
  ) {}

  async show(entry: RegistryEntry): Promise<DeviceResource> {
    const [resource] = await this.showAll([entry]);
    return resource!;
  }

  /**
   * A page of the devices that the caller sees, newest first. Presence is no column: where it is asked for, the devices are looked
   * through, 5,000 for a page at most, so that a page may be shorter although there is more. Throws BAD_CURSOR and CURSOR_MISMATCH.
   */
  async list(
    caller: Principal,
    filter: DeviceFilter,
    limit: number,
    cursor: string | null,
  ): Promise<Page<DeviceResource>> {
    const scope = { list: 'devices', ...filter, within: caller.tags && tagTexts(caller.tags) };
    let after = cursor === null ? null : (decodeCursor(cursor, scope) as unknown as Key);
    const found: { readonly key: Key; readonly resource: DeviceResource }[] = [];
    let isEnd = false;
    for (let looked = 0; found.length <= limit && !isEnd && looked < MOST_LOOKED_AT;) {
      const entries = await this.read(caller.tags, filter, after, limit + 1);
      looked += entries.length;
      isEnd = entries.length <= limit;
      const shown = await this.showAll(entries);
      for (const [i, resource] of shown.entries()) {
        after = [entries[i]!.createdAt, resource.id];
        if (filter.presence?.includes(resource.presence.state) ?? true) found.push({ key: after, resource });
      }
    }
    const page = found.slice(0, limit);
    const hasMore = found.length > limit || !isEnd;
    const last = found.length > limit ? page.at(-1)!.key : after;
    return {
      items: page.map(({ resource }) => resource),
      nextCursor: hasMore && last ? encodeCursor(last, scope) : null,
      hasMore,
    };
  }

  private async showAll(entries: readonly RegistryEntry[]): Promise<DeviceResource[]> {
    if (entries.length === 0) return [];
    const ids = entries.map(({ id }) => id);
    const [counts, presences] = await Promise.all([this.countsOf(ids), this.devices.presencesOf(ids)]);
    return entries.map((entry) => deviceResource(entry, presences.get(entry.id)!, counts(entry.id)));
  }

  private async read(
    within: Tags | null,
    { q, tags = [], types }: DeviceFilter,
    after: Key | null,
    limit: number,
  ): Promise<RegistryEntry[]> {
    const id = sql.ref<string>('devices.id');
    let query = this.database.scan
      .selectFrom('devices')
      .select(['id', 'link', 'enabled', 'approved', 'name', 'type', 'created_at', 'version']);
    if (within) query = query.where(carries(id, within));
    for (const [key, value] of tags) query = query.where(carries(id, { [key]: value }));
    if (types) query = query.where('type', 'in', types);
    if (q !== undefined) query = query.where(this.holds(q));
    if (after) query = query.where((eb) => eb(eb.refTuple('created_at', 'id'), '<', eb.tuple(after[0], after[1])));
    const rows = await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute();
    const tagsOf = await this.tagsOf(rows.map((row) => row.id));
    return rows.map((row) => ({ ...deviceOf(row), ...aboutOf(row), tags: tagsOf(row.id) }));
  }

  /** A literal substring: nothing in it has a meaning. Only ASCII is folded, on both databases. */
  private holds(q: string): RawBuilder<SqlBool> {
    const text = q.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
    if (this.database.capabilities.kind === 'sqlite') {
      return sql<SqlBool>`(instr(lower(id), ${text}) > 0 or instr(lower(coalesce(name, '')), ${text}) > 0)`;
    }
    const folded = (column: string) =>
      sql`translate(coalesce(${sql.ref(column)}, ''), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')`;
    return sql<SqlBool>`(strpos(${folded('id')}, ${text}) > 0 or strpos(${folded('name')}, ${text}) > 0)`;
  }

  private async tagsOf(ids: readonly string[]): Promise<(id: string) => Tags> {
    const all = new Map<string, [string, string][]>();
    for (let i = 0; i < ids.length; i += IDS_PER_QUERY) {
      const rows = await this.database.scan
        .selectFrom('device_tags')
        .selectAll()
        .where('device_id', 'in', ids.slice(i, i + IDS_PER_QUERY))
        .orderBy('key')
        .execute();
      for (const row of rows) all.set(row.device_id, [...(all.get(row.device_id) ?? []), [row.key, row.value]]);
    }
    return (id) => Object.fromEntries(all.get(id) ?? []);
  }

  /** Both are kept as they are counted, or bounded, so that no count is a scan. */
  private async countsOf(ids: readonly string[]): Promise<(id: string) => DeviceCounts> {
    const open = new Map<string, number>();
    const rejects = new Map<string, number>();
    for (let i = 0; i < ids.length; i += IDS_PER_QUERY) {
      const part = ids.slice(i, i + IDS_PER_QUERY);
      const [commands, kept] = await Promise.all([
        this.database.point
          .selectFrom('commands')
          .select(['device_id', (eb) => eb.fn.countAll<number>().as('n')])
          .where('final', '=', OPEN)
          .where('device_id', 'in', part)
          .groupBy('device_id')
          .execute(),
        this.database.point
          .selectFrom('reject_counts')
          .select(['device_id', 'kept'])
          .where('device_id', 'in', part)
          .execute(),
      ]);
      for (const { device_id: id, n } of commands) open.set(id, n);
      for (const { device_id: id, kept: n } of kept) rejects.set(id, n);
    }
    return (id) => ({ openCommands: open.get(id) ?? 0, rejects: rejects.get(id) ?? 0 });
  }
}

/** In an order that does not depend on how they were written. */
function tagTexts(tags: Tags): string[] {
  return Object.entries(tags)
    .map(([key, value]) => `${key}:${value}`)
    .toSorted((a, b) => (a < b ? -1 : 1));
}
