import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { DeviceRepository, inOrder, type StatusReport } from '../../src/device/device.repository.js';
import type { PostgresDatabase } from '../../src/storage/postgres/postgres.database.js';
import { openPostgres } from '../storage/postgres.js';
import { type Postgres, query, startPostgres } from '../support/postgres.js';
import { describeWith } from '../support/services.js';

Logger.overrideLogger(false);

const NOW = 1_800_000_000_000;

describeWith(['postgres'], 'Replicas that keep what they hear of the same devices', () => {
  let server: Postgres;
  let url: string;
  let databases: PostgresDatabase[];
  let replicas: DeviceRepository[];

  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.remove());
  beforeEach(async () => {
    url = await server.createDatabase();
    databases = await Promise.all(Array.from({ length: 3 }, () => openPostgres(url)));
    replicas = databases.map((database) => new DeviceRepository(database));
  });
  afterEach(async () => {
    await Promise.all(databases.map((database) => database.close()));
  });

  const online = (deviceId: string, at: number, session = 'b1'): StatusReport => ({
    deviceId,
    status: { online: true, session, firmware: null },
    replayed: false,
    isThere: null,
    receivedAt: at,
  });
  const will = (deviceId: string, at: number, session: string): StatusReport => ({
    ...online(deviceId, at),
    status: { online: false, session, firmware: null },
  });

  it('never wait for each other in a circle, and keep the latest', async () => {
    const ids = Array.from({ length: 300 }, (_, i) => `device-${i}`);
    await replicas[0]!.keepStatuses(ids.map((id) => online(id, NOW)));
    // Rows that were updated in another order lie in another order in the table.
    for (const id of ids.toReversed()) await replicas[0]!.keepHeard([[id, NOW]]);
    const rounds = Array.from({ length: 20 }, (_, i) => NOW + 1 + i);
    await Promise.all(
      replicas.map(async (replica, r) => {
        for (const at of rounds) {
          const mixed = ids.toSorted((a, b) => ((a.length * 7 + r) % 3) - ((b.length * 7 + r) % 3) || (a < b ? 1 : -1));
          for (const part of inOrder(new Map(mixed.map((id) => [id, at])))) await replica.keepHeard(part);
          await replica.keepStatuses(mixed.map((id) => online(id, at, `b${r}`)));
        }
      }),
    );
    const [row] = await query(url, 'select count(*)::int as n, min(last_seen)::text as least from devices');
    expect(row).toEqual({ n: 300, least: `${NOW + 20}` });
    const [{ deadlocks }] = (await query(
      url,
      'select deadlocks::int as deadlocks from pg_stat_database where datname = current_database()',
    )) as [{ deadlocks: number }];
    expect(deadlocks).toBe(0);
  });

  it('judge a will by the session that is in the row, whoever wrote it there', async () => {
    const [a, b] = replicas as [DeviceRepository, DeviceRepository];
    expect([...(await a.keepStatuses([online('x', NOW, 'b1')])).awake]).toEqual(['x']);
    expect([...(await b.keepStatuses([online('x', NOW + 1, 'b2')])).awake]).toEqual(['x']);
    expect([...(await a.keepStatuses([online('x', NOW + 2, 'b2')])).awake]).toEqual([]);
    await a.keepStatuses([will('x', NOW + 3, 'b1')]);
    expect((await a.findAll(['x'])).get('x')).toMatchObject({ online: true, statusAt: NOW + 2 });
    await a.keepStatuses([will('x', NOW + 4, 'b2')]);
    expect((await b.findAll(['x'])).get('x')).toMatchObject({ online: false, statusAt: NOW + 4 });
  });
});
