import { Injectable } from '@nestjs/common';
import { type RawBuilder, sql } from 'kysely';
import { newId } from '../common/ids.js';
import { LEASE_MS, type SeatLeases, SeatStore } from '../mqtt/seat.store.js';
import { Database, type News, type Statement, type StatementResult } from '../storage/database.js';

const SEAT = 'seat:';
const REPLICA = 'replica:';
const FREED: News = { topic: 'leases', detail: '' };

/** Leases of seats as rows of `leases`, beside one row per live replica. */
@Injectable()
export class SeatRepository extends SeatStore {
  private readonly self = newId();
  private joined = false;

  constructor(private readonly database: Database) {
    super();
  }

  override async renew(names: readonly string[]): Promise<SeatLeases> {
    await this.write([
      ...(this.joined ? [] : this.clearTheDead()),
      this.presence(),
      ...(names.length === 0 ? [] : [this.renewal(names)]),
    ]);
    this.joined = true;
    const { mine, free, seatsOf } = await this.look(names);
    const replicas = [...seatsOf.keys()];
    const share = shareOf(names.length, replicas, this.self);
    const taken = mine.length < share ? await this.take(free.slice(0, share - mine.length)) : [];
    // Nobody would take what is given back where the others have more seats in their settings, and hold enough of those.
    const isWanted = replicas.some((other) => seatsOf.get(other)! < shareOf(names.length, replicas, other));
    return { held: [...mine, ...taken], surplus: isWanted ? mine.slice(share) : [] };
  }

  override async release(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const mine = this.database.sql.deleteFrom('leases').where('holder', '=', this.self);
    await this.write([mine.where('name', 'in', names.map(toLease)).compile()], FREED);
  }

  override async leave(): Promise<void> {
    this.joined = false;
    await this.write([this.database.sql.deleteFrom('leases').where('holder', '=', this.self).compile()], FREED);
  }

  override onChange(listener: () => void): () => void {
    return this.database.onNews('leases', listener);
  }

  /** Where nobody else can use the database, whoever held a lease is gone. Else only what has expired long ago is tidied up. */
  private clearTheDead(): Statement[] {
    const all = this.database.sql.deleteFrom('leases');
    return [
      this.database.capabilities.shared
        ? all.where('expires_at', '<', (eb) => eb(this.database.now, '-', 10 * LEASE_MS)).compile()
        : all.compile(),
    ];
  }

  private presence(): Statement {
    const expires_at = this.expiry();
    return this.database.sql
      .insertInto('leases')
      .values({ name: `${REPLICA}${this.self}`, holder: this.self, expires_at })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ expires_at }))
      .compile();
  }

  private renewal(names: readonly string[]): Statement {
    return this.database.sql
      .updateTable('leases')
      .set({ expires_at: this.expiry() })
      .where('holder', '=', this.self)
      .where('name', 'in', names.map(toLease))
      .compile();
  }

  private async look(names: readonly string[]) {
    const rows = await this.database.point
      .selectFrom('leases')
      .select(['name', 'holder', (eb) => eb('expires_at', '>', this.database.now).as('live')])
      .execute();
    const live = rows.filter((row) => Boolean(row.live));
    const held = new Map(live.map(({ name, holder }) => [name, holder]));
    const replicas = live.filter(({ name }) => name.startsWith(REPLICA)).map(({ holder }) => holder);
    const seatsOf = new Map(replicas.map((holder) => [holder, 0]));
    for (const { name, holder } of live) {
      const seats = seatsOf.get(holder);
      if (seats !== undefined && name.startsWith(SEAT)) seatsOf.set(holder, seats + 1);
    }
    return {
      mine: names.filter((name) => held.get(toLease(name)) === this.self),
      free: names.filter((name) => !held.has(toLease(name))),
      /** How many seats each live replica holds, whatever their names. */
      seatsOf,
    };
  }

  /** Takes those that are still free; another replica may be doing the same. */
  private async take(names: readonly string[]): Promise<string[]> {
    if (names.length === 0) return [];
    const expires_at = this.expiry();
    const results = await this.write(
      names.map((name) =>
        this.database.sql
          .insertInto('leases')
          .values({ name: toLease(name), holder: this.self, expires_at })
          .onConflict((conflict) =>
            conflict
              .column('name')
              .doUpdateSet({ holder: this.self, expires_at })
              .where((eb) => eb('leases.expires_at', '<=', this.database.now)),
          )
          .compile(),
      ),
    );
    return names.filter((_, i) => results[i]!.changes === 1);
  }

  /** A database whose commits are slow counts as down; without leases nobody would read, and nothing it still stores be acknowledged. */
  private write(job: readonly Statement[], news?: News): Promise<StatementResult[]> {
    return this.database.write(job, { evenWhileDown: true, ...(news ? { news } : {}) });
  }

  private expiry(): RawBuilder<number> {
    return sql<number>`${this.database.now} + ${LEASE_MS}`;
  }
}

/** How many of `names` leases fall to `self` where the live `replicas` hold them evenly; the oldest take what is left over. */
export function shareOf(names: number, replicas: readonly string[], self: string): number {
  const all = [...new Set([...replicas, self])].toSorted();
  const base = Math.floor(names / all.length);
  return base + (all.indexOf(self) < names % all.length ? 1 : 0);
}

function toLease(name: string): string {
  return `${SEAT}${name}`;
}
