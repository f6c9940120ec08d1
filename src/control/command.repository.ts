import { Injectable } from '@nestjs/common';
import { type RawBuilder, sql } from 'kysely';
import type { Tags } from '../common/access.js';
import { Database, type News, type Statement } from '../storage/database.js';
import { Prepared } from '../storage/prepared.js';
import { newestOf } from '../storage/newest-of.js';
import { carriersOf, carries, carriesByRow } from '../storage/with-tags.js';
import { type Command, MAX_OPEN } from './command.js';
import { COMMAND_RANK, type CommandStatus } from './command.machine.js';
import { changingColumns, commandOf, type NewRow, newRow } from './command.row.js';
import { KEY_KEPT_MS, type KeyedRequest, type RequestKey } from './idempotency.js';

/** How long only the replica that stored a command tries to send it, in milliseconds. */
const HEAD_START_MS = 2_000;

/** Which commands are asked for; absent members do not restrict. Times in epoch milliseconds, `[from, to)` of the creation. */
export interface CommandFilter {
  readonly deviceIds?: readonly string[];
  readonly statuses?: readonly CommandStatus[];
  readonly types?: readonly string[];
  readonly from?: number;
  readonly to?: number;
  /** Only commands to devices that carry these. */
  readonly tags?: Tags;
}

/** What the list is sorted by: `[createdAt, seq]`. */
type CommandKey = readonly [number, number];

/** The commands. A change is one statement that the version guards, so that of two replicas with the same knowledge one comes to nothing. */
@Injectable()
export class CommandRepository {
  private readonly insert = new Prepared((row: NewRow) => {
    const columns = Object.keys(row) as (keyof NewRow)[];
    const values = this.database.sql
      .selectNoFrom((eb) => columns.map((column) => eb.val(row[column]).as(column)))
      .where(
        (eb) =>
          eb
            .selectFrom('commands')
            .select((count) => count.fn.countAll<number>().as('open'))
            .where('device_id', '=', row.device_id)
            .where('final', '=', OPEN),
        '<',
        MAX_OPEN,
      );
    return this.database.sql.insertInto('commands').columns(columns).expression(values).returning('seq');
  });
  private readonly update = new Prepared(
    ({ id, known, ...changes }: ReturnType<typeof changingColumns> & { version: number; id: string; known: number }) =>
      this.database.sql.updateTable('commands').set(changes).where('id', '=', id).where('version', '=', known),
  );
  private readonly byId = new Prepared(({ id }: { id: string }) =>
    this.database.point.selectFrom('commands').selectAll().where('id', '=', id),
  );

  constructor(private readonly database: Database) {}

  /** Throws STORAGE_UNAVAILABLE while the database is away. */
  refuseWhileDown(): void {
    this.database.refuseWhileDown();
  }

  /**
   * Stores a new command together with `alongside` and, where it has one, its key; resolves after the commit with its `seq`, or
   * with null, and nothing of the command stored, where the device has as many open ones as it may. Rejects where the key is taken.
   */
  async create(command: Command, alongside: Statement, keyed: KeyedRequest | null): Promise<number | null> {
    const row = { ...newRow(command), due_at: Math.min(command.expiresAt, command.createdAt + HEAD_START_MS) };
    const job = [alongside, ...this.lock(command.deviceId), this.insert.with(row)];
    const results = await this.database.write([...job, ...(keyed ? this.claim(keyed, command) : [])], {
      news: newsOf(command),
    });
    const [stored] = results[job.length - 1]!.rows;
    return stored ? Number(stored['seq']) : null;
  }

  /** Stores what has become of a command whose row still has that version; resolves after the commit, with false where it has another. */
  async save(command: Command): Promise<boolean> {
    const { id, version } = command;
    const [result] = await this.database.write(
      [this.update.with({ ...changingColumns(command), version: version + 1, id, known: version })],
      command.final || command.status === 'ACKED' ? { news: newsOf(command) } : {},
    );
    return result!.changes === 1;
  }

  /** Nobody needs to look at the command before `until` (epoch milliseconds), unless it changes. */
  async park({ id, version }: Command, until: number): Promise<void> {
    const all = this.database.sql.updateTable('commands').set({ due_at: until });
    await this.database.write([all.where('id', '=', id).where('version', '=', version).compile()]);
  }

  /** The command, or null. */
  async find(id: string): Promise<Command | null> {
    // PostgreSQL refuses a text with NUL, which the path of a request may hold.
    if (id.includes('\0')) return null;
    const [row] = (await this.database.point.executeQuery(this.byId.with({ id }))).rows;
    return row ? commandOf(row) : null;
  }

  /** The commands of a device that are not final, in order of creation. */
  async openOf(deviceId: string): Promise<Command[]> {
    const open = this.database.point.selectFrom('commands').selectAll().where('final', '=', OPEN);
    return (await open.where('device_id', '=', deviceId).orderBy('seq').execute()).map(commandOf);
  }

  /** Those that are due at `now`, the longest first. */
  async due(now: number, limit: number): Promise<Command[]> {
    const open = this.database.point.selectFrom('commands').selectAll().where('final', '=', OPEN);
    return (await open.where('due_at', '<=', now).orderBy('due_at').limit(limit).execute()).map(commandOf);
  }

  /** When the next one after `now` is due (epoch milliseconds), or null. */
  async nextDue(now: number): Promise<number | null> {
    const open = this.database.point.selectFrom('commands').select('due_at').where('final', '=', OPEN);
    const row = await open.where('due_at', '>', now).orderBy('due_at').limit(1).executeTakeFirst();
    return row?.due_at ?? null;
  }

  /** True where a newer command of the device has the same coalesce key. */
  async isSuperseded({ deviceId, coalesceKey, seq }: Command): Promise<boolean> {
    if (coalesceKey === null) return false;
    const newer = await this.database.point
      .selectFrom('commands')
      .select('id')
      .where('device_id', '=', deviceId)
      .where('coalesce_key', '=', coalesceKey)
      .where('seq', '>', seq)
      .limit(1)
      .executeTakeFirst();
    return newer !== undefined;
  }

  /** True where an older command of the device's queue (`fifo`) is open and not accepted. */
  async isBehindAnother({ deviceId, seq }: Command): Promise<boolean> {
    const head = await this.database.point
      .selectFrom('commands')
      .select('id')
      .where('device_id', '=', deviceId)
      .where('final', '=', OPEN)
      .where('order', '=', 'fifo')
      .where('rank', '<', COMMAND_RANK.ACKED)
      .where('seq', '<', seq)
      .limit(1)
      .executeTakeFirst();
    return head !== undefined;
  }

  /** Newest first, those after `after` (a `[createdAt, seq]` of the list). */
  async list(filter: CommandFilter, after: CommandKey | null, limit: number): Promise<Command[]> {
    const { deviceIds, tags } = filter;
    let query = this.matching(filter, after);
    if (tags && deviceIds) query = query.where(carries(sql.ref('commands.device_id'), tags));
    else if (tags) {
      const found = await this.newestOfCarriers(tags, filter, after, limit);
      if (found.length === 0) return [];
      query = query.where('seq', 'in', found);
    }
    const rows = await query.selectAll().orderBy('created_at', 'desc').orderBy('seq', 'desc').limit(limit).execute();
    return rows.map(commandOf);
  }

  /** What was asked for under a key that is still remembered at `now`, or null. */
  async findKey(
    { caller, key }: Pick<RequestKey, 'caller' | 'key'>,
    now: number,
  ): Promise<{ readonly commandId: string; readonly fingerprint: string } | null> {
    const row = await this.database.point
      .selectFrom('idempotency_keys')
      .select(['command_id as commandId', 'fingerprint'])
      .where('caller', '=', caller)
      .where('key', '=', key)
      .where('created_at', '>', now - KEY_KEPT_MS)
      .executeTakeFirst();
    return row ?? null;
  }

  private matching({ deviceIds, statuses, types, from, to }: CommandFilter, after: CommandKey | null) {
    let query = this.database.scan.selectFrom('commands');
    if (deviceIds) query = query.where('device_id', 'in', deviceIds);
    if (statuses) query = query.where('status', 'in', statuses);
    if (types) query = query.where('type', 'in', types);
    if (from !== undefined) query = query.where('created_at', '>=', from);
    if (to !== undefined) query = query.where('created_at', '<', to);
    if (!after) return query;
    return query.where((eb) => eb(eb.refTuple('created_at', 'seq'), '<', eb.tuple(after[0], after[1])));
  }

  private async newestOfCarriers(
    tags: Tags,
    filter: CommandFilter,
    after: CommandKey | null,
    limit: number,
  ): Promise<number[]> {
    const { from, to } = filter;
    const all = this.matching({ ...(from !== undefined && { from }), ...(to !== undefined && { to }) }, after);
    const ofCarriers = this.matching(filter, after).where('device_id', 'in', carriersOf(tags)).select('seq');
    const rows = await newestOf(limit, {
      among: async (most) => {
        const newest = all.orderBy('created_at', 'desc').orderBy('seq', 'desc');
        const last = await newest.select('created_at').offset(most).limit(1).executeTakeFirst();
        return this.matching({ ...filter, from: last?.created_at ?? from ?? 0 }, after)
          .where(carriesByRow(sql.ref('commands.device_id'), tags))
          .select('seq')
          .orderBy('created_at', 'desc')
          .orderBy('seq', 'desc')
          .limit(limit)
          .execute();
      },
      hasMoreThan: async (most) => (await ofCarriers.offset(most).limit(1).executeTakeFirst()) !== undefined,
      // As an expression, so that no walk through the rows of all devices is chosen.
      all: () =>
        ofCarriers
          .orderBy(sql`created_at + 0`, 'desc')
          .orderBy('seq', 'desc')
          .limit(limit)
          .execute(),
    });
    return rows.map(({ seq }) => seq);
  }

  /** Where several replicas write: one command of a device after the other, so that its queue is counted right and `seq` is the order of the commits. */
  private lock(deviceId: string): Statement[] {
    if (!this.database.capabilities.shared) return [];
    const unchanged = this.database.sql.updateTable('devices').set((eb) => ({ link: eb.ref('link') }));
    return [unchanged.where('id', '=', deviceId).compile()];
  }

  /** Takes the key for the command where it was stored, from an earlier one only where that is forgotten. */
  private claim({ caller, key, fingerprint }: KeyedRequest, { id, createdAt }: Command): Statement[] {
    return [
      this.database.sql
        .deleteFrom('idempotency_keys')
        .where('caller', '=', caller)
        .where('key', '=', key)
        .where('created_at', '<=', createdAt - KEY_KEPT_MS)
        .compile(),
      this.database.sql
        .insertInto('idempotency_keys')
        .columns(['caller', 'key', 'fingerprint', 'command_id', 'created_at'])
        .expression((eb) =>
          eb
            .selectFrom('commands')
            .select((select) => [
              select.val(caller).as('caller'),
              select.val(key).as('key'),
              select.val(fingerprint).as('fingerprint'),
              'id',
              select.val(createdAt).as('created_at'),
            ])
            .where('id', '=', id),
        )
        .compile(),
    ];
  }
}

/** As a literal, because only then do the planners use the indexes of open commands. */
const OPEN: RawBuilder<number> = sql.lit(0);

function newsOf({ id, deviceId }: Command): News {
  return { topic: 'commands', detail: `${id} ${deviceId}` };
}
