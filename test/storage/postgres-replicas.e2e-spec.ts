import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { PostgresDatabase } from '../../src/storage/postgres/postgres.database.js';
import { eventually } from '../support/eventually.js';
import { type Postgres, query, startPostgres } from '../support/postgres.js';
import { describeWith } from '../support/services.js';
import { openPostgres, retentionAt } from './postgres.js';
import { newDevice, outcomes, reading } from './test-database.js';

Logger.overrideLogger(false);

const DAY = 86_400_000;
const NOW = 1_800_000_000_000;

describeWith(['postgres'], 'Several replicas at one PostgreSQL', () => {
  let server: Postgres;
  let url: string;
  let replicas: PostgresDatabase[];

  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.remove());
  beforeEach(async () => {
    url = await server.createDatabase();
    replicas = await Promise.all(Array.from({ length: 3 }, () => openPostgres(url)));
  });
  afterEach(async () => {
    await Promise.all(replicas.map((replica) => replica.close()));
  });

  const tables = async () =>
    (
      await query(
        url,
        `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'readings'::regclass`,
      )
    )
      .map(({ name }) => name)
      .toSorted();

  it('shows positions in their order: a reader by position misses nothing while all append', async () => {
    const state = { writing: true };
    let appended = 0;
    const writers = replicas.flatMap((replica, r) =>
      [0, 1].map(async (lane) => {
        for (let i = 0; i < 60; i++) {
          const rows = Array.from({ length: 1 + ((i * 7) % 20) }, () =>
            reading({ deviceId: `device-${r}-${lane}`, ts: NOW + i * DAY }),
          );
          await replica.appendReadings(rows);
          appended += rows.length;
        }
      }),
    );
    const seen: number[] = [];
    const readOn = async () => {
      const rows = await replicas[0]!.point
        .selectFrom('readings')
        .select('position')
        .where('position', '>', seen.at(-1) ?? 0)
        .orderBy('position')
        .limit(500)
        .execute();
      seen.push(...rows.map(({ position }) => position));
      return rows.length > 0;
    };
    const reader = (async () => {
      while (state.writing) await readOn();
      while (await readOn());
    })();
    await Promise.all(writers);
    state.writing = false;
    await reader;
    expect(appended).toBeGreaterThan(3_000);
    expect(seen).toHaveLength(appended);
    expect(new Set(seen).size).toBe(appended);
  });

  it('stores a reading once that all are given at once', async () => {
    const deviceId = newDevice();
    const rows = Array.from({ length: 50 }, (_, i) =>
      reading({ deviceId, key: String(i), identity: i % 2 ? 'id' : 'id-ts', values: `{"m":${i}}` }),
    );
    const verdicts = (await Promise.all(replicas.map((replica) => replica.appendReadings(rows)))).map(outcomes);
    for (let i = 0; i < rows.length; i++) {
      expect(verdicts.map((all) => all[i]).toSorted()).toEqual(['duplicate', 'duplicate', 'stored']);
    }
  });

  it('tells news to all once it is committed, and never of a job that was not', async () => {
    const heard: (string | null)[][] = replicas.map(() => []);
    const ends = replicas.map((replica, i) => replica.onNews('leases', (detail) => heard[i]!.push(detail)));
    const [first] = replicas as [PostgresDatabase];
    const unit = first.sql.insertInto('units').values({ device_id: newDevice(), metric: 'm', unit: 'C' }).compile();
    await first.write([unit], { news: { topic: 'leases', detail: 'seat 1' } });
    await expect(first.write([unit], { news: { topic: 'leases', detail: 'never' } })).rejects.toThrow();
    await first.write(
      [unit].map((one) => ({ ...one, parameters: [newDevice(), 'm', 'C'] })),
      { news: { topic: 'commands', detail: 'other topic' } },
    );
    await first.write([{ ...unit, parameters: [newDevice(), 'm', 'C'] }], { news: { topic: 'leases', detail: '' } });
    await eventually('all have heard', () => heard.every(({ length }) => length === 2));
    expect(heard).toEqual(replicas.map(() => ['seat 1', '']));
    ends[0]!();
    await query(
      url,
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like '%news'`,
    );
    await eventually('they hear of the gap', () => heard[1]!.at(-1) === null && heard[2]!.at(-1) === null);
    await first.write([{ ...unit, parameters: [newDevice(), 'm', 'C'] }], {
      news: { topic: 'leases', detail: 'again' },
    });
    await eventually('they hear again', () => heard[1]!.at(-1) === 'again' && heard[2]!.at(-1) === 'again');
    expect(heard[0]).toEqual(['seat 1', '']);
  });

  it('drops whole weeks that are over, by one replica at a time, beside appends', async () => {
    const [first, second] = replicas as [PostgresDatabase, PostgresDatabase];
    const weeks = [0, 7, 14, 21, 28].map((days) => NOW - days * DAY);
    for (const ts of weeks)
      await first.appendReadings([reading({ ts, receivedAt: NOW }), reading({ ts, receivedAt: NOW })]);
    const all = await tables();
    expect(all).toHaveLength(5);
    const ages = { readings: 15 * DAY };
    const state = { running: true };
    let appended = 0;
    const appending = (async () => {
      while (state.running) appended += (await second.appendReadings([reading({ ts: NOW })])).length;
    })();
    const reports = await Promise.all([
      retentionAt(url, first, ages).run(NOW),
      retentionAt(url, second, ages).run(NOW),
    ]);
    state.running = false;
    await appending;
    expect(reports.reduce((sum, { readings }) => sum + readings, 0)).toBe(4);
    expect(await tables()).toEqual(all.slice(2));
    expect(appended).toBeGreaterThan(0);
    await second.appendReadings([reading({ ts: weeks[4]! })]);
    expect(await tables()).toEqual([all[0], ...all.slice(2)]);
  });
});
