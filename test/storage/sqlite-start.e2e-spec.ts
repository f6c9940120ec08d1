import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import Sqlite from 'better-sqlite3';
import { CompiledQuery } from 'kysely';
import { migrations } from '../../src/storage/migrations/sqlite/list.js';
import { temporaryDirectory } from '../support/process.js';
import { AppendingProcess } from './appending-process.js';
import { openSqlite, sqliteIn } from './sqlite.js';
import { COMMANDS_KEPT, commandsIn, OLD_COMMANDS } from './old-commands.js';
import { reading } from './test-database.js';

Logger.overrideLogger(false);

describe('SQLite at its start', () => {
  let directory: string;
  let dataDir: string;
  let file: string;
  let cleanUp: (() => Promise<void> | void)[];

  beforeEach(() => {
    const temporary = temporaryDirectory();
    directory = temporary.path;
    dataDir = join(directory, 'data');
    file = join(dataDir, 'signalbox.db');
    cleanUp = [() => temporary.remove()];
  });

  afterEach(async () => {
    for (const step of cleanUp.toReversed()) await step();
  });

  const open = async (dir = dataDir) => {
    const database = await openSqlite(dir);
    cleanUp.push(() => database.close());
    return database;
  };
  const refusal = async (dir = dataDir) => {
    const error: unknown = await openSqlite(dir).then(
      (database) => database.close(),
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ name: 'StartupError', exitCode: 1, hint: expect.stringMatching(/./) });
    return error as { readonly message: string; readonly hint: string };
  };
  const craft = (...statements: string[]) => {
    mkdirSync(dataDir, { recursive: true });
    const db = new Sqlite(file);
    for (const statement of statements) db.exec(statement);
    db.close();
  };

  it('makes the directory for its owner only, and opens in WAL mode', async () => {
    const database = await open();
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
    expect(database.status).toBe('up');
    expect(existsSync(`${file}-wal`)).toBe(true);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('writes through a connection whose commits survive a power cut and whose references are checked', async () => {
    const database = await open();
    const [[synchronous], [foreignKeys], [journal]] = (
      await database.write(
        ['synchronous', 'foreign_keys', 'journal_mode'].map((name) => CompiledQuery.raw(`pragma ${name}`)),
      )
    ).map(({ rows }) => rows) as [unknown[], unknown[], unknown[]];
    expect([synchronous, foreignKeys, journal]).toEqual([
      { synchronous: 2 },
      { foreign_keys: 1 },
      { journal_mode: 'wal' },
    ]);
  });

  it('leaves one whole file behind when it closes', async () => {
    const database = await open();
    await database.appendReadings([reading()]);
    await database.close();
    expect(existsSync(`${file}-wal`)).toBe(false);
    const db = new Sqlite(file, { readonly: true });
    expect(db.prepare('select count(*) from readings').pluck().get()).toBe(1);
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    db.close();
  });

  it('refuses a directory that another process holds, and takes it once that one was killed', async () => {
    const other = new AppendingProcess(dataDir);
    cleanUp.push(() => other.kill());
    await other.appends(1);
    const { message, hint } = await refusal();
    expect(message).toContain(dataDir);
    expect(message).toMatch(/in use by another/);
    expect(hint).toMatch(/Stop the other.*DATA_DIR/);
    await other.appends(1);
    await other.kill();
    expect((await open()).status).toBe('up');
  });

  it('refuses a second opener in the same process too', async () => {
    await open();
    expect((await refusal()).message).toMatch(/in use/);
  });

  it('refuses a path that is a file or leads through one', async () => {
    const path = join(directory, 'a-file');
    writeFileSync(path, 'x');
    for (const dir of [path, join(path, 'data')]) {
      const { message, hint } = await refusal(dir);
      expect(message).toContain(dir);
      expect(message).toMatch(/is a file/);
      expect(hint).toMatch(/DATA_DIR/);
    }
  });

  it('refuses a directory that cannot be written', async () => {
    for (const dir of ['/proc/signalbox', '/sys/kernel']) {
      const { message, hint } = await refusal(dir);
      expect(message).toContain(dir);
      expect(message).toMatch(/cannot be written/);
      expect(hint).toMatch(/write access.*DATA_DIR/);
    }
  });

  it('refuses a damaged file and leaves it as it was', async () => {
    mkdirSync(dataDir);
    const garbage = Buffer.alloc(20_000, 'not a database ');
    writeFileSync(file, garbage);
    const { message, hint } = await refusal();
    expect(message).toContain(file);
    expect(message).toMatch(/damaged/);
    expect(hint).toMatch(/backup/);
    expect(readFileSync(file).equals(garbage)).toBe(true);
  });

  it('refuses a file whose first pages were overwritten', async () => {
    await (await open()).close();
    const bytes = readFileSync(file);
    bytes.fill(0xff, 100, 5_000);
    writeFileSync(file, bytes);
    expect((await refusal()).message).toMatch(/damaged/);
    expect(readFileSync(file).equals(bytes)).toBe(true);
  });

  it('refuses the database of another program', async () => {
    craft('create table theirs (x)');
    expect((await refusal()).message).toMatch(/another program/);
  });

  it('refuses a file with a newer schema, naming both versions', async () => {
    await (await open()).close();
    craft('pragma user_version = 1000');
    const { message, hint } = await refusal();
    expect(message).toMatch(/version 1000.* up to \d+/);
    expect(hint).toMatch(/newer Signalbox/);
  });

  it('copies an older file before it migrates it, and keeps its rows', async () => {
    craft(
      migrations[0]!.sql,
      'pragma application_id = 0x53424f58; pragma user_version = 1; pragma journal_mode = wal',
      `insert into devices values ('old', 'native', 1)`,
    );
    const database = await open();
    expect(await database.point.selectFrom('devices').select('id').execute()).toEqual([{ id: 'old' }]);
    expect(await database.point.selectFrom('commands').selectAll().execute()).toEqual([]);
    const backup = new Sqlite(`${file}.v1.backup`, { readonly: true });
    expect(backup.pragma('user_version', { simple: true })).toBe(1);
    expect(backup.prepare('select id from devices').pluck().all()).toEqual(['old']);
    backup.close();
  });

  it('keeps the commands of a file of schema version 3, with their history', async () => {
    craft(
      ...migrations.slice(0, 3).map(({ sql }) => sql),
      'pragma application_id = 0x53424f58; pragma user_version = 3',
      ...OLD_COMMANDS,
    );
    expect(await commandsIn(await open())).toEqual(COMMANDS_KEPT);
  });

  it('leaves an older file as it was where the migration fails', async () => {
    craft(
      migrations[0]!.sql,
      'pragma application_id = 0x53424f58; pragma user_version = 1',
      'create table command_history (in_the_way)',
    );
    await expect(openSqlite(dataDir)).rejects.toThrow();
    const db = new Sqlite(file, { readonly: true });
    expect(db.pragma('user_version', { simple: true })).toBe(1);
    expect(db.prepare(`select count(*) from sqlite_schema where name = 'commands'`).pluck().get()).toBe(0);
    db.close();
  });

  it('numbers its migrations without a gap', () => {
    expect(migrations.map(({ version }) => version)).toEqual(migrations.map((_, i) => i + 1));
  });

  it('can be closed when it never opened', async () => {
    writeFileSync(join(directory, 'data'), 'x');
    const database = sqliteIn(dataDir);
    await expect(database.onModuleInit()).rejects.toThrow(/is a file/);
    await database.onApplicationShutdown();
    expect(database.status).toBe('stopped');
    await expect(database.appendReadings([reading()])).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
  });
});
