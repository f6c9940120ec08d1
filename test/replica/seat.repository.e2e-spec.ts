import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { sql } from 'kysely';
import { SeatRepository } from '../../src/replica/seat.repository.js';
import type { Database } from '../../src/storage/database.js';
import type { PostgresDatabase } from '../../src/storage/postgres/postgres.database.js';
import { openPostgres } from '../storage/postgres.js';
import { createSqlite } from '../storage/sqlite.js';
import { reading, type TestDatabase } from '../storage/test-database.js';
import { eventually } from '../support/eventually.js';
import { type Postgres, query, startPostgres } from '../support/postgres.js';
import { describeWith } from '../support/services.js';

Logger.overrideLogger(false);

const NAMES = ['seat-1', 'seat-2', 'seat-3', 'seat-4'];

/** As if so many milliseconds had gone by without a renewal. */
const age = (database: Database, holderOf: string, ms: number) =>
  database.write([
    sql`update leases set expires_at = expires_at - ${ms} where holder in
      (select holder from leases where name = ${`seat:${holderOf}`})`.compile(database.sql),
  ]);

describe('Seats on SQLite', () => {
  let created: TestDatabase;
  beforeEach(async () => {
    created = await createSqlite();
  });
  afterEach(() => created.remove());

  it('are all held by the one replica, and at once again by the next after a crash', async () => {
    const first = new SeatRepository(created.database);
    expect(await first.renew(NAMES)).toEqual({ held: NAMES, surplus: [] });
    expect(await first.renew(NAMES)).toEqual({ held: NAMES, surplus: [] });
    const next = new SeatRepository(created.database);
    expect(await next.renew(NAMES)).toEqual({ held: NAMES, surplus: [] });
  });

  it('are free once they are released, and told of', async () => {
    const seats = new SeatRepository(created.database);
    let changes = 0;
    const end = seats.onChange(() => changes++);
    await seats.renew(NAMES);
    await seats.release(['seat-2']);
    expect(changes).toBe(1);
    end();
    await seats.leave();
    expect(changes).toBe(1);
    expect(await created.database.point.selectFrom('leases').selectAll().execute()).toEqual([]);
  });
});

describeWith(['postgres'], 'Seats on PostgreSQL', () => {
  let server: Postgres;
  let databases: PostgresDatabase[];

  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.remove());
  beforeEach(async () => {
    const url = await server.createDatabase();
    databases = await Promise.all([openPostgres(url), openPostgres(url), openPostgres(url)]);
  });
  afterEach(async () => {
    await Promise.all(databases.map((database) => database.close()));
  });

  const create = () =>
    databases.map((database) => new SeatRepository(database)) as [SeatRepository, SeatRepository, SeatRepository];

  it('are given back and taken until all replicas hold them evenly, each by one', async () => {
    const seats = create();
    expect((await seats[0].renew(NAMES)).held).toEqual(NAMES);
    expect((await seats[1].renew(NAMES)).held).toEqual([]);
    expect((await seats[2].renew(NAMES)).held).toEqual([]);
    const { surplus } = await seats[0].renew(NAMES);
    expect(surplus.length).toBeGreaterThanOrEqual(2);
    await seats[0].release(surplus);
    const held = [];
    for (const one of seats) held.push((await one.renew(NAMES)).held);
    expect(held.map(({ length }) => length).toSorted()).toEqual([1, 1, 2]);
    expect(held.flat().toSorted()).toEqual(NAMES);
  });

  it('are never held by two, however many take them at once', async () => {
    const seats = create();
    await Promise.all(seats.map((one) => one.renew([])));
    for (let round = 0; round < 5; round++) {
      const results = await Promise.all(seats.map((one) => one.renew(NAMES)));
      const held = results.flatMap((result) => result.held);
      expect(new Set(held).size).toBe(held.length);
      await Promise.all(seats.map((one, i) => one.release(results[i]!.held)));
    }
  });

  it('of a replica that is silent for 10 s are taken over; when it wakes it holds none of them', async () => {
    const [dead, heir] = create();
    await dead.renew(NAMES);
    expect((await heir.renew(NAMES)).held).toEqual([]);
    await age(databases[1]!, 'seat-1', 10_001);
    expect((await heir.renew(NAMES)).held).toEqual(NAMES);
    expect((await dead.renew(NAMES)).held).toEqual([]);
  });

  it('are kept and given back where commits are so slow that the database counts as down', async () => {
    const url = await server.createDatabase();
    const slow = await openPostgres(url, { downAfterMs: 50 });
    databases.push(slow);
    await query(
      url,
      `create function wait() returns trigger language plpgsql as 'begin perform pg_sleep(0.3); return null; end';
       create constraint trigger wait after insert on commit_marks deferrable initially deferred
         for each row execute function wait()`,
    );
    const seats = new SeatRepository(slow);
    const whileDown = async <T>(work: () => Promise<T>): Promise<T> => {
      const appended = slow.appendReadings([reading()]);
      const result = await eventually('it counts as down', () => slow.status === 'down' && { of: work() });
      await appended;
      return result.of;
    };
    expect(await whileDown(() => seats.renew(NAMES))).toEqual({ held: NAMES, surplus: [] });
    expect(await whileDown(() => seats.renew(NAMES))).toEqual({ held: NAMES, surplus: [] });
    await whileDown(() => seats.leave());
    expect(await slow.point.selectFrom('leases').selectAll().execute()).toEqual([]);
  });

  it('are all held while MQTT_SEATS is raised on one replica after the other', async () => {
    const [old, raised] = create();
    const more = [...NAMES, 'seat-5', 'seat-6', 'seat-7', 'seat-8'];
    expect((await old.renew(NAMES)).held).toEqual(NAMES);
    expect((await raised.renew(more)).held).toEqual(more.slice(4));
    // What the old one gave back now would be read by nobody until it has the new setting too.
    expect(await old.renew(NAMES)).toEqual({ held: NAMES, surplus: [] });
    await old.leave();
    expect((await raised.renew(more)).held.toSorted()).toEqual(more);
    const [, , next] = create();
    expect((await next.renew(more)).held).toEqual([]);
    expect((await raised.renew(more)).surplus).toHaveLength(4);
  });

  it('are handed over at once by one that leaves: the others hear of it', async () => {
    const [leaver, heir] = create();
    await leaver.renew(NAMES);
    await heir.renew(NAMES);
    let heard = 0;
    heir.onChange(() => heard++);
    await leaver.leave();
    await eventually('the other hears of it', () => heard === 1);
    expect((await heir.renew(NAMES)).held).toEqual(NAMES);
  });
});
