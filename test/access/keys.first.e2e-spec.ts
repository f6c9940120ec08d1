import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { AdminKey } from '../../src/access/admin-key.js';
import { firstKey } from '../../src/access/key.js';
import { KeyRepository } from '../../src/access/key.repository.js';
import { readApiKey } from '../../src/common/secrets.js';
import { bearer, newKeyText } from '../support/access.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { get } from '../support/http.js';
import { temporaryDirectory } from '../support/process.js';

let directory: ReturnType<typeof temporaryDirectory>;
let box: TestApp | null = null;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(async () => {
  await stop();
  directory.remove();
});

const file = () => join(directory.path, 'admin.key');
const isLetIn = async (key: string) => (await get(`${box!.httpUrl}/v1/capabilities`, bearer(key))).status === 200;
const rows = () => box!.database.point.selectFrom('api_keys').selectAll().execute();
const audit = async () =>
  (await box!.database.point.selectFrom('audit').selectAll().orderBy('seq').execute()).map(
    ({ actor, action, target }) => [actor, action, target],
  );

async function start(settings: Record<string, string> = {}): Promise<void> {
  box = await createTestApp({ ACCESS: 'required', ...settings }, directory.path);
}

async function stop(): Promise<void> {
  await box?.close();
  box = null;
}

describe('The first start with access required', () => {
  it('makes an admin key that lets in, in a file for its owner alone that holds nothing else', async () => {
    await start();
    const key = readFileSync(file(), 'utf8');
    expect(key).toMatch(/^sbx_[A-Za-z0-9]{16}_[A-Za-z0-9]{43}$/);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect(await isLetIn(key)).toBe(true);
    expect(await isLetIn(`${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`)).toBe(false);
    expect(box!.app.get(AdminKey).place).toEqual({ kind: 'file', path: file(), made: key });
    expect(await audit()).toEqual([['start', 'key.create', readApiKey(key)!.id]]);
    expect(JSON.stringify(await rows())).not.toContain(readApiKey(key)!.secret);
    expect(readdirSync(directory.path).filter((name) => name.startsWith('admin.key'))).toEqual(['admin.key']);
  });

  it('makes none a second time', async () => {
    await start();
    const key = readFileSync(file(), 'utf8');
    await stop();
    await start();
    expect(readFileSync(file(), 'utf8')).toBe(key);
    expect(box!.app.get(AdminKey).place).toEqual({ kind: 'file', path: file(), made: null });
    expect([await isLetIn(key), (await rows()).length]).toEqual([true, 1]);
  });

  it('makes none in open mode, and one when the same database is opened with access required', async () => {
    await start({ ACCESS: 'open' });
    expect([await rows(), existsSync(file())]).toEqual([[], false]);
    await stop();
    await start();
    expect(await isLetIn(readFileSync(file(), 'utf8'))).toBe(true);
  });

  it('follows no link: one in the place of the file is replaced, and what it points at stays', async () => {
    const victim = join(directory.path, 'victim');
    writeFileSync(victim, 'precious');
    symlinkSync(victim, file());
    await start();
    expect(readFileSync(victim, 'utf8')).toBe('precious');
    expect(statSync(file()).isFile()).toBe(true);
    expect(await isLetIn(readFileSync(file(), 'utf8'))).toBe(true);
  });

  it('is refused where a directory is in the place of the file, and a later one makes the key', async () => {
    mkdirSync(join(file(), 'full'), { recursive: true });
    await expect(start()).rejects.toThrow(/admin\.key \(E/);
    rmSync(file(), { recursive: true });
    await start();
    expect(await isLetIn(readFileSync(file(), 'utf8'))).toBe(true);
  });

  it('makes one even where many ask the database at the same moment', async () => {
    await start({ ACCESS: 'open' });
    const keys = new KeyRepository(box!.database);
    const made = await Promise.all(Array.from({ length: 20 }, () => keys.createFirst(firstKey(newKeyText()))));
    expect(made.filter(Boolean)).toHaveLength(1);
    expect([(await rows()).length, (await audit()).length]).toEqual([1, 1]);
  });

  it('that was ended after the database had the key and before the file loses nothing', async () => {
    await start();
    const key = readFileSync(file(), 'utf8');
    await stop();
    renameSync(file(), `${file()}.${readApiKey(key)!.id}`);
    await start();
    expect(readFileSync(file(), 'utf8')).toBe(key);
    expect(await isLetIn(key)).toBe(true);
  });
});

describe('A later start', () => {
  it('without the file makes no other key: who has it goes on', async () => {
    await start();
    const key = readFileSync(file(), 'utf8');
    await stop();
    rmSync(file());
    await start();
    expect([existsSync(file()), await isLetIn(key), (await rows()).length]).toEqual([false, true, 1]);
    expect(box!.app.get(AdminKey).place).toEqual({ kind: 'elsewhere' });
  });

  it('with a file but without the row (another database) makes a new key, and the old one stays out', async () => {
    const old = newKeyText();
    writeFileSync(file(), old);
    await start();
    const key = readFileSync(file(), 'utf8');
    expect(key).not.toBe(old);
    expect([await isLetIn(old), await isLetIn(key)]).toEqual([false, true]);
  });

  it('trusts no file: a key that somebody put there stays out', async () => {
    await start();
    await stop();
    const planted = newKeyText();
    writeFileSync(file(), planted);
    await start();
    expect(await isLetIn(planted)).toBe(false);
    expect(box!.app.get(AdminKey).place).toEqual({ kind: 'elsewhere' });
  });
});

describe('ADMIN_KEY', () => {
  it('is the admin key, and nothing is written', async () => {
    const key = newKeyText();
    await start({ ADMIN_KEY: key });
    expect([await isLetIn(key), existsSync(file())]).toEqual([true, false]);
    expect(box!.app.get(AdminKey).place).toEqual({ kind: 'setting' });
  });

  it('takes the place of a generated one, whose sessions end', async () => {
    await start();
    const generated = readFileSync(file(), 'utf8');
    await stop();
    const key = newKeyText();
    await start({ ADMIN_KEY: key });
    expect([await isLetIn(generated), await isLetIn(key)]).toEqual([false, true]);
    const [first, second] = [generated, key].map((text) => readApiKey(text)!.id);
    expect(await audit()).toEqual([
      ['start', 'key.create', first],
      ['start', 'key.revoke', first],
      ['start', 'key.create', second],
    ]);
  });

  it.each([
    ['another', () => newKeyText()],
    ['another secret for the same id', (key: string) => `${key.slice(0, 21)}${newKeyText().slice(21)}`],
  ])('that is changed to %s replaces the key', async (_, changed) => {
    const before = newKeyText();
    await start({ ADMIN_KEY: before });
    await stop();
    const after = changed(before);
    await start({ ADMIN_KEY: after });
    expect([await isLetIn(before), await isLetIn(after), (await rows()).length]).toEqual([false, true, 1]);
  });

  it('that stays changes nothing, and one that is taken away stays valid', async () => {
    const key = newKeyText();
    await start({ ADMIN_KEY: key });
    await stop();
    await start({ ADMIN_KEY: key });
    await stop();
    await start();
    expect([await isLetIn(key), (await audit()).length, existsSync(file())]).toEqual([true, 1, false]);
  });
});
