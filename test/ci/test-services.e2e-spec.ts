import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

/** The script installs only as root on Debian; elsewhere it must not even try. */
const mayInstall = process.getuid?.() === 0 && existsSync('/etc/debian_version');

describe('the script that gets what the tests need', () => {
  let bin: string;

  beforeEach(() => {
    bin = mkdtempSync(join(tmpdir(), 'signalbox-apt-'));
  });

  afterEach(() => rmSync(bin, { recursive: true, force: true }));

  /** Runs it where mosquitto is hidden and apt-get does nothing but write down what it was asked, and exit with `code`. */
  function run(code: number) {
    const calls = join(bin, 'calls');
    writeFileSync(calls, '');
    const aptGet = `#!/bin/sh\necho "$DEBIAN_FRONTEND $*" >> ${calls}\necho "output of apt-get"\nexit ${code}`;
    writeFileSync(join(bin, 'apt-get'), aptGet, { mode: 0o755 });
    writeFileSync(join(bin, 'systemctl'), '#!/bin/sh', { mode: 0o755 });
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--require', resolve('test/support/hide-mosquitto.cjs'), 'scripts/test-services.mjs'],
      { env: { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH']}` }, encoding: 'utf8' },
    );
    return { status, output: stdout + stderr, calls: readFileSync(calls, 'utf8').trim().split('\n').filter(Boolean) };
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
    expect(calls[1]).toMatch(/^noninteractive install -q -y .*\bmosquitto\b/);
  });

  it('does not stop the run when that fails, but then shows why', () => {
    const { status, output } = run(100);
    expect(status).toBe(0);
    expect(output.includes('output of apt-get')).toBe(mayInstall);
  });
});
