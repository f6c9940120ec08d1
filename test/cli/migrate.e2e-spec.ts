import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { type Postgres, startPostgres } from '../support/postgres.js';
import { temporaryDirectory } from '../support/process.js';
import { describeWith, freePort } from '../support/services.js';

describe('signalbox migrate', () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => directory.remove());

  const migrate = (settings: Record<string, string> = {}) => {
    const env = { PATH: process.env['PATH'], DATA_DIR: join(directory.path, 'data'), ...settings };
    const child = spawnSync(process.execPath, [resolve('dist/cli/signalbox.js'), 'migrate'], {
      cwd: directory.path,
      env,
      encoding: 'utf8',
    });
    return { code: child.status, stdout: child.stdout, stderr: child.stderr };
  };

  it('brings a SQLite file to the newest schema and says so, and does nothing the second time', () => {
    expect(migrate()).toEqual({
      code: 0,
      stdout: expect.stringMatching(/schema version \d+ now \(was 0\)/),
      stderr: '',
    });
    expect(migrate()).toEqual({ code: 0, stdout: 'The database has the newest schema already.\n', stderr: '' });
  });

  it('ends with 78 for wrong settings and with 69 where the server cannot be reached, without the password', async () => {
    expect(migrate({ DATABASE_URL: 'mysql://x/y' })).toMatchObject({
      code: 78,
      stderr: expect.stringContaining('DATABASE_URL'),
    });
    const { code, stderr } = migrate({ DATABASE_URL: `postgres://me:s3cr3t@127.0.0.1:${await freePort()}/x` });
    expect(code).toBe(69);
    expect(stderr).toMatch(/cannot be reached/);
    expect(stderr).not.toContain('s3cr3t');
  });

  it('ends with 1 where the data directory cannot be used', () => {
    expect(migrate({ DATA_DIR: '/proc/signalbox' }).code).toBe(1);
  });

  describeWith(['postgres'], 'with PostgreSQL', () => {
    let server: Postgres;
    beforeEach(async () => {
      server = await startPostgres();
    });
    afterEach(() => server.remove());

    it('brings it to the newest schema and says so, and does nothing the second time', async () => {
      const settings = { DATABASE_URL: await server.createDatabase() };
      expect(migrate(settings)).toEqual({
        code: 0,
        stdout: expect.stringMatching(/schema version \d+ now \(was 0\)/),
        stderr: '',
      });
      expect(migrate(settings).stdout).toMatch(/newest schema already/);
    });
  });
});
