import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { Logger } from '@nestjs/common';
import { sql } from 'kysely';
import { Client } from 'pg';
import { migrations } from '../../src/storage/migrations/postgres/list.js';
import { migrations as sqliteMigrations } from '../../src/storage/migrations/sqlite/list.js';
import { eventually } from '../support/eventually.js';
import { type Postgres, query, startPostgres } from '../support/postgres.js';
import { temporaryDirectory } from '../support/process.js';
import { describeWith, freePort } from '../support/services.js';
import { openPostgres } from './postgres.js';
import { COMMANDS_KEPT, commandsIn, OLD_COMMANDS } from './old-commands.js';
import { reading } from './test-database.js';

Logger.overrideLogger(false);

describeWith(['postgres'], 'PostgreSQL at its start', () => {
  let server: Postgres;
  let url: string;
  let cleanUp: (() => Promise<void> | void)[];

  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.remove());
  beforeEach(async () => {
    url = await server.createDatabase();
    cleanUp = [];
  });
  afterEach(async () => {
    for (const step of cleanUp.toReversed()) await step();
  });

  const open = async (exclusive = false, at = url) => {
    const database = await openPostgres(at, {}, exclusive);
    cleanUp.push(() => database.close());
    return database;
  };
  const refusal = async (exclusive = false, at = url) => {
    const error: unknown = await openPostgres(at, {}, exclusive).then(
      (database) => database.close(),
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ name: 'StartupError', hint: expect.stringMatching(/./) });
    return error as { readonly message: string; readonly hint: string; readonly exitCode: number };
  };

  it('has the same steps of the schema as SQLite', () => {
    const steps = sqliteMigrations.map(({ version, name }) => ({ version, name }));
    expect(migrations.map(({ version, name }) => ({ version, name }))).toEqual(steps);
  });

  it('says what the server promises', async () => {
    expect((await open()).capabilities).toEqual({
      kind: 'postgresql',
      version: expect.stringMatching(/^\d+\.\d+$/),
      shared: true,
      commitSurvives: 'process-crash',
    });
  });

  it('promises to survive a power cut where the server waits for its disk, also where the role says it should not', async () => {
    const durable = await startPostgres({ fsync: 'on', synchronous_commit: 'off' });
    cleanUp.push(() => durable.remove());
    const database = await open(false, await durable.createDatabase());
    expect(database.capabilities.commitSurvives).toBe('power-loss');
    const [setting] = await database.write([
      { ...database.sql.selectFrom('units').selectAll().compile(), sql: 'show synchronous_commit' },
    ]);
    expect(setting!.rows).toEqual([{ synchronous_commit: 'on' }]);
  });

  it('migrates once where several start at the same moment', async () => {
    const databases = await Promise.all(Array.from({ length: 4 }, () => open()));
    expect(databases.map(({ status }) => status)).toEqual(['up', 'up', 'up', 'up']);
    expect(await query(url, 'select version, name from schema_version order by version')).toEqual(
      migrations.map(({ version, name }) => ({ version, name })),
    );
  });

  it('keeps the commands of a database of schema version 3, with their history', async () => {
    const old = [
      ...migrations.slice(0, 3).map(({ sql: step }) => step),
      `create table schema_version (program text not null, version integer not null, name text not null,
        applied_at timestamptz not null default now(), primary key (program, version))`,
      `insert into schema_version (program, version, name) values ('signalbox', 3, 'replicas')`,
      ...OLD_COMMANDS,
    ];
    for (const statement of old) await query(url, statement);
    expect(await commandsIn(await open())).toEqual(COMMANDS_KEPT);
  });

  it('leaves the database as it was where a migration fails', async () => {
    await query(url, 'create table commands (theirs int)');
    const { message, hint } = await refusal();
    expect(message).toMatch(/another program.*Nothing was changed/);
    expect(hint).toMatch(/DATABASE_URL/);
    const tables = await query(url, `select relname from pg_class where relnamespace = 'public'::regnamespace`);
    expect(tables).toEqual([{ relname: 'commands' }]);
    await query(url, 'drop table commands');
    expect((await open()).status).toBe('up');
  });

  it('compiles no plan: with hundreds of partitions that took a second for each batch with a duplicate', async () => {
    await query(url, `alter role signalbox set jit = on`);
    const database = await open();
    const ask = sql<{ jit: string }>`select current_setting('jit') as jit`;
    const [written] = await database.write([ask.compile(database.sql)]);
    expect([written!.rows, (await ask.execute(database.point)).rows]).toEqual([[{ jit: 'off' }], [{ jit: 'off' }]]);
    await query(url, `alter role signalbox reset jit`);
  });

  it('refuses a file of certificates that cannot be read, and says so', async () => {
    const { message, exitCode } = await refusal(false, `${url}?sslrootcert=/no/such/file`);
    expect(message).toMatch(/DATABASE_URL.*\/no\/such\/file/);
    expect(exitCode).toBe(78);
  });

  it('refuses a newer schema, naming both versions', async () => {
    await (await open()).close();
    await query(url, `insert into schema_version values ('signalbox', 1000, 'future')`);
    expect((await refusal()).message).toMatch(/version 1000.* up to \d+/);
  });

  it('brings an older schema to the newest and keeps its rows', async () => {
    await query(url, migrations[0]!.sql);
    await query(url, 'create table schema_version (program text, version int primary key, name text)');
    await query(url, `insert into schema_version values ('signalbox', 1, 'telemetry')`);
    await query(url, `insert into devices values ('old', 'native', 1)`);
    const database = await open();
    expect(await database.point.selectFrom('devices').select('id').execute()).toEqual([{ id: 'old' }]);
    expect(await database.point.selectFrom('commands').selectAll().execute()).toEqual([]);
  });

  it('refuses a role that may not make tables, and says what to grant', async () => {
    await query(url, 'create role guest login');
    const { message, hint } = await refusal(false, url.replace('signalbox@', 'guest@'));
    expect(message).toMatch(/guest/);
    expect(hint).toMatch(/grant create/);
    await query(url, 'drop role guest');
  });

  it('says host, port and database, and never the password, where nobody answers', async () => {
    const port = await freePort();
    const { message, hint, exitCode } = await refusal(false, `postgres://me:s3cr3t@127.0.0.1:${port}/plant`);
    expect(message).toContain(`127.0.0.1:${port}`);
    expect(message).toContain('plant');
    expect(hint).toMatch(/Start the server/);
    expect(message + hint).not.toContain('s3cr3t');
    expect(exitCode).toBe(69);
    expect((await refusal(false, server.url('no_such_database'))).hint).toMatch(/createdb/);
  });

  describe('beside others', () => {
    it('refuses a second one where the broker of either is embedded, and lets in several where none is', async () => {
      const alone = await open(true);
      const { message, hint } = await refusal(true);
      expect(message).toMatch(/embedded broker/);
      expect(hint).toMatch(/MQTT_URL.*all replicas/);
      expect((await refusal(false)).message).toMatch(/embedded broker/);
      await alone.close();
      await open();
      await open();
      expect((await refusal(true)).message).toMatch(/embedded broker/);
    });

    it('takes the database at once from one that was killed', async () => {
      const directory = temporaryDirectory();
      cleanUp.push(() => directory.remove());
      const child = spawn(process.execPath, [resolve('dist/main.js')], {
        cwd: directory.path,
        env: { PATH: process.env['PATH'], HTTP_PORT: '0', MQTT_PORT: '0', LOG_FORMAT: 'json', DATABASE_URL: url },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      cleanUp.push(() => void child.kill('SIGKILL'));
      let output = '';
      for await (const chunk of child.stdout) if ((output += String(chunk)).includes('"msg":"ready"')) break;
      expect(output).toContain('"msg":"ready"');
      expect((await refusal(true)).message).toMatch(/embedded broker/);
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
      expect((await open(true)).status).toBe('up');
    });

    it('takes the database again after the server was away, but stops writing where another has it by then', async () => {
      const first = await open(true);
      await server.stop();
      await server.start();
      const backends = `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`;
      await eventually('it stores again', () => first.appendReadings([reading()]));
      await eventually('it has the right again', async () => (await refusal(true)).message);
      // Another takes the lock in the moment in which this one has lost it.
      const other = new Client({ connectionString: url });
      other.on('error', () => {});
      await other.connect();
      cleanUp.push(() => other.end());
      const taken = other.query('select pg_advisory_lock(1396854616, 5)');
      await query(url, `${backends} and application_name like '%news'`);
      await taken;
      await eventually('it is down', () => first.status === 'down');
      await expect(first.appendReadings([reading()])).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      await other.query('select pg_advisory_unlock(1396854616, 5)');
      await eventually('it goes on', () => first.status === 'up');
      expect(await first.appendReadings([reading()])).toEqual([{ outcome: 'stored' }]);
    });
  });
});
