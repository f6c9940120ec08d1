import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

const NO_SERVER = '/etc/postgresql-common/createcluster.d/signalbox-tests.conf';
/** The script installs only as root on Debian; elsewhere it must not even try. */
const mayInstall = process.getuid?.() === 0 && existsSync('/etc/debian_version');

describe('the script that gets what the tests need', () => {
  let bin: string;

  beforeEach(() => {
    bin = mkdtempSync(join(tmpdir(), 'signalbox-apt-'));
  });

  afterEach(() => rmSync(bin, { recursive: true, force: true }));

  /** Runs it where mosquitto and PostgreSQL are hidden and apt-get does nothing but write down what it was asked, and exit with `code`. */
  function run(code: number) {
    const calls = join(bin, 'calls');
    const servers = join(bin, 'servers');
    for (const file of [calls, servers]) writeFileSync(file, '');
    const aptGet = `#!/bin/sh\necho "$DEBIAN_FRONTEND $*" >> ${calls}\ncat ${NO_SERVER} >> ${servers} 2>&1\necho "output of apt-get"\nexit ${code}`;
    writeFileSync(join(bin, 'apt-get'), aptGet, { mode: 0o755 });
    writeFileSync(join(bin, 'systemctl'), '#!/bin/sh', { mode: 0o755 });
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--require', resolve('test/support/hide-services.cjs'), 'scripts/test-services.mjs'],
      { env: { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH']}` }, encoding: 'utf8' },
    );
    const lines = (file: string) => readFileSync(file, 'utf8').trim().split('\n').filter(Boolean);
    return { status, output: stdout + stderr, calls: lines(calls), servers: lines(servers) };
  }

  it('updates the package lists once and installs what is missing, quietly, where it may', () => {
    const { status, output, calls } = run(0);
    expect(status).toBe(0);
    expect(output).not.toContain('output of apt-get');
    if (!mayInstall) {
      expect(calls).toEqual([]);
      return;
    }
    expect(calls).toHaveLength(2);
    expect(calls[0]).toBe('noninteractive update -q');
    expect(calls[1]).toMatch(/^noninteractive install -q -y .*\bmosquitto\b.* postgresql\b/);
  });

  it('asks Debian for no PostgreSQL server while it installs, and leaves no trace of that', () => {
    const { servers } = run(0);
    if (mayInstall) expect(servers.at(-1)).toBe('create_main_cluster = false');
    expect(existsSync(NO_SERVER)).toBe(false);
  });

  it('does not stop the run when that fails, but then shows why', () => {
    const { status, output } = run(100);
    expect(status).toBe(0);
    expect(output.includes('output of apt-get')).toBe(mayInstall);
  });
});
