import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { IdentityKind } from '../../src/storage/log.js';
import { OwnConnection } from '../../src/storage/postgres/own-connection.js';
import type { PostgresDatabase } from '../../src/storage/postgres/postgres.database.js';
import { eventually } from '../support/eventually.js';
import { type Postgres, query, startPostgres } from '../support/postgres.js';
import { describeWith } from '../support/services.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { openPostgres } from './postgres.js';
import { event, newDevice, outcomes, reading } from './test-database.js';

Logger.overrideLogger(false);

describeWith(['postgres'], 'PostgreSQL under faults', () => {
  let server: Postgres;
  let proxy: TcpProxy;
  let database: PostgresDatabase;
  let url: string;

  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.remove());

  beforeEach(async () => {
    url = await server.createDatabase();
    proxy = await startTcpProxy(server.port);
    database = await openPostgres(url.replace(`:${server.port}/`, `:${proxy.port}/`));
  });
  afterEach(async () => {
    proxy.restore();
    await database.close();
    await proxy.stop();
  });

  const count = async (table: string, where = 'true') =>
    Number((await query(url, `select count(*) from ${table} where ${where}`))[0]!['count']);
  const unit = (deviceId: string) =>
    database.sql.insertInto('units').values({ device_id: deviceId, metric: 'm', unit: 'C' });

  it.each<IdentityKind>(['id-ts', 'id', 'seq', 'hash', 'unique'])(
    'stores readings once and tells so where the answer to their commit is lost: %s',
    async (identity) => {
      const deviceId = newDevice();
      const key = (i: number) => (identity === 'unique' ? '' : String(i));
      await database.appendReadings([reading({ deviceId: newDevice() }), reading({ deviceId, identity, key: key(0) })]);
      const lost = proxy.loseAnswerTo(deviceId);
      const rows = Array.from({ length: 5 }, (_, i) => reading({ deviceId, identity, key: key(i) }));
      const verdicts = await database.appendReadings(rows);
      await lost;
      const first = identity === 'unique' ? 'stored' : 'duplicate';
      expect(outcomes(verdicts)).toEqual([first, 'stored', 'stored', 'stored', 'stored']);
      expect(await count('readings', `device_id = '${deviceId}'`)).toBe(identity === 'unique' ? 6 : 5);
      expect(database.status).toBe('up');
    },
  );

  it('stores new readings, events and rejects once where the answer to their commit is lost', async () => {
    const deviceId = newDevice();
    await database.appendReadings([reading()]);
    for (const append of [
      () => database.appendReadings([reading({ deviceId }), reading({ deviceId, identity: 'unique', key: '' })]),
      () => database.appendEvents([event({ deviceId }), event({ deviceId, identity: 'unique', key: '' })]),
      () => {
        const reject = {
          deviceId,
          topic: 't',
          receivedAt: 1,
          code: 'EMPTY',
          detail: '',
          payload: Buffer.from('x'),
          size: 1,
        };
        return database.appendRejects([
          { ...reject, id: `${deviceId} 1` },
          { ...reject, id: `${deviceId} 2` },
        ]);
      },
    ]) {
      const lost = proxy.loseAnswerTo(deviceId);
      expect(outcomes(await append())).toEqual(['stored', 'stored']);
      await lost;
    }
    for (const table of ['readings', 'events', 'rejects']) {
      expect([table, await count(table, `device_id = '${deviceId}'`)]).toEqual([table, 2]);
    }
  });

  it('runs a job once and returns its results where the answer to its COMMIT is lost', async () => {
    const deviceId = newDevice();
    const lost = proxy.loseAnswerTo('commit\0');
    const [inserted] = await database.write([
      database.sql
        .insertInto('messages')
        .values({ topic: deviceId, payload: Buffer.from('x'), qos: 0, retain: 0, received_at: 1 })
        .returning('topic')
        .compile(),
    ]);
    await lost;
    expect(inserted).toEqual({ rows: [{ topic: deviceId }], changes: 1 });
    expect((await database.write([unit(deviceId).compile()]))[0]!.changes).toBe(1);
    expect(await count('messages', `topic = '${deviceId}'`)).toBe(1);
  });

  it('runs a job once where the connection is lost before its COMMIT', async () => {
    const deviceId = newDevice();
    const lost = proxy.loseAnswerTo(deviceId);
    expect((await database.write([unit(deviceId).compile()]))[0]!.changes).toBe(1);
    await lost;
    expect(await count('units', `device_id = '${deviceId}'`)).toBe(1);
  });

  it('keeps the connection that replaced a lost one, although the end of the lost one is heard later', async () => {
    const session = { purpose: 'test', readOnly: false, statementTimeoutMs: 5_000, lockTimeoutMs: 5_000 };
    const connection = new OwnConnection(url, session);
    const pid = () => connection.run(async (client) => (await client.query('select pg_backend_pid() as pid')).rows[0]);
    await pid();
    await expect(connection.run(() => Promise.reject(new Error('lost')))).rejects.toThrow('lost');
    const replaced = await pid();
    expect(await pid()).toEqual(replaced);
    await connection.close();
  });

  it('isolates what only the server can refuse: its neighbours are stored once, in their order', async () => {
    const deviceId = newDevice();
    const rows = Array.from({ length: 40 }, (_, seq) => reading({ deviceId, seq, key: String(seq) }));
    const poison = { ...rows[7]!, key: 'a\0b' };
    const verdicts = await database.appendReadings([...rows.slice(0, 7), poison, ...rows.slice(7), rows[0]!, poison]);
    const expected = rows.map(() => 'stored').toSpliced(7, 0, 'failed');
    expect(outcomes(verdicts)).toEqual([...expected, 'duplicate', 'failed']);
    const stored = await query(url, `select seq::int from readings where device_id = '${deviceId}' order by position`);
    expect(stored.map(({ seq }) => seq)).toEqual(rows.map(({ seq }) => seq));
    expect(database.status).toBe('up');
  });

  it('makes a partition again that another replica has dropped', async () => {
    const deviceId = newDevice();
    await database.appendReadings([reading({ deviceId, key: 'gone' })]);
    await query(url, 'drop table readings_20270111');
    expect(outcomes(await database.appendReadings([reading({ deviceId, key: 'kept' })]))).toEqual(['stored']);
    expect(await count('readings', `device_id = '${deviceId}'`)).toBe(1);
  });

  it('refuses at once while the server is gone, and recovers by itself without losing what it acknowledged', async () => {
    const deviceId = newDevice();
    const acknowledged: number[] = [];
    const state = { running: true };
    const lane = async (from: number) => {
      for (let seq = from; state.running; seq += 4) {
        await database.appendReadings([reading({ deviceId, seq, key: String(seq) })]).then(
          () => acknowledged.push(seq),
          () => {},
        );
      }
    };
    const lanes = [0, 1, 2, 3].map(lane);
    await eventually('readings are acknowledged', () => acknowledged.length > 100);
    await server.stop('SIGQUIT');
    const writing = setInterval(() => void database.write([unit(newDevice()).compile()]).catch(() => {}), 50);
    try {
      await eventually('it is down', () => database.status === 'down');
      await expect(database.write([unit(deviceId).compile()])).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      await expect(database.point.selectFrom('units').selectAll().execute()).rejects.toMatchObject({
        code: 'STORAGE_UNAVAILABLE',
      });
    } finally {
      clearInterval(writing);
      await server.start();
    }
    await eventually('it is up again', () => database.status === 'up', 20_000);
    const before = acknowledged.length;
    await eventually('readings are acknowledged again', () => acknowledged.length > before + 100);
    state.running = false;
    await Promise.all(lanes);
    const stored = await query(
      url,
      `select seq::int, count(*)::int from readings where device_id = '${deviceId}' group by seq`,
    );
    const counts = new Map(stored.map(({ seq, count: times }) => [seq, times]));
    expect(acknowledged.filter((seq) => counts.get(seq) !== 1)).toEqual([]);
  }, 60_000);

  it('notices without any traffic that the server is out of reach, and that it is back', async () => {
    proxy.stall();
    await eventually('down', () => database.status === 'down');
    proxy.restore();
    await eventually('up', () => database.status === 'up');
  });

  it.each([
    ['is renamed', 'rename to', '_away'],
    ['takes no connections', 'allow_connections', ' false'],
  ])('takes no statement for faulty while its database %s', async (_, verb, how) => {
    await database.close();
    database = await openPostgres(url, { deadlineMs: 1_500 });
    const name = new URL(url).pathname.slice(1);
    const admin = (sql: string) => query(server.url('postgres'), sql);
    const away = verb === 'rename to' ? `${name}${how}` : name;
    const back =
      verb === 'rename to' ? `alter database ${away} rename to ${name}` : `alter database ${name} ${verb} true`;
    await eventually('it is away', async () => {
      await admin(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`);
      return admin(`alter database ${name} ${verb} ${verb === 'rename to' ? away : how}`);
    });
    await admin(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${away}'`);
    const job = () => database.write([unit(newDevice()).compile()]);
    await expect(job()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    await expect(database.appendReadings([reading()])).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(database.status).toBe('down');
    await admin(back);
    await eventually('it is up again', () => database.status === 'up');
    expect((await job())[0]!.changes).toBe(1);
  });

  it.each([
    ['may not log in', 'alter role fallen nologin', 'alter role fallen login'],
    ['may not use its tables', 'revoke all on units from fallen', 'grant all on units to fallen'],
    ['has no connections left', 'alter role fallen connection limit 0', 'alter role fallen connection limit -1'],
  ])('takes it for an outage where its role %s any more', async (_, hurt, heal) => {
    await database.close();
    url = await server.createDatabase();
    await query(url, 'create role fallen login; grant create, usage on schema public to fallen');
    try {
      database = await openPostgres(url.replace('signalbox@', 'fallen@'));
      const read = () => database.point.selectFrom('units').selectAll().execute();
      const write = () => database.write([unit(newDevice()).compile()]);
      await write();
      await query(url, hurt);
      await query(url, `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'fallen'`);
      const waiting = write().catch(() => {});
      await expect(read()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      await eventually('down', () => database.status === 'down');
      await expect(write()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      await query(url, heal);
      await waiting;
      await eventually('up', () => database.status === 'up');
      expect(await read()).not.toHaveLength(0);
    } finally {
      await database.close();
      await query(url, 'drop owned by fallen; drop role fallen');
    }
  });

  it('does not wait for ever where the network is silent', async () => {
    await database.close();
    const at = url.replace(`:${server.port}/`, `:${proxy.port}/`);
    database = await openPostgres(at, { deadlineMs: 1_500, downAfterMs: 300 });
    await database.appendReadings([reading()]);
    proxy.stall();
    await expect(database.appendReadings([reading()])).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(database.status).toBe('down');
    proxy.cut();
    proxy.restore();
    await eventually('it is up again', () => database.status === 'up');
    expect(outcomes(await database.appendReadings([reading()]))).toEqual(['stored']);
  });

  it('closes within 8 s where the network is silent', async () => {
    await database.appendReadings([reading()]);
    await database.write([unit(newDevice()).compile()]);
    await database.scan.selectFrom('units').selectAll().execute();
    proxy.stall();
    const waiting = [
      database.appendReadings([reading()]),
      database.write([unit(newDevice()).compile()]),
      database.scan.selectFrom('units').selectAll().execute(),
    ].map((one) => expect(one).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' }));
    const before = Date.now();
    await database.close();
    expect(Date.now() - before).toBeLessThan(8_000);
    await Promise.all(waiting);
  });

  it('refuses a result that is too large to hold in memory, and goes on', async () => {
    const deviceId = newDevice();
    const values = JSON.stringify({ text: 'x'.repeat(1024 * 1024) });
    await database.appendReadings(Array.from({ length: 33 }, () => reading({ deviceId, values })));
    const all = database.scan.selectFrom('readings').selectAll().where('device_id', '=', deviceId);
    await expect(all.execute()).rejects.toMatchObject({ code: 'RESULT_TOO_LARGE' });
    expect(await all.select('position').limit(2).execute()).toHaveLength(2);
  });
});
