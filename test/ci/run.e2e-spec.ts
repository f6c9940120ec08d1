import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

describe('.ci/run', () => {
  let bin: string;

  beforeEach(() => {
    bin = mkdtempSync(join(tmpdir(), 'signalbox-ci-'));
  });

  afterEach(() => rmSync(bin, { recursive: true, force: true }));

  /** Runs it with an npm that does nothing but fail where it is told to; `totals` is what its tests print last. */
  function run(failing: string, totals: string) {
    const npm = `#!/bin/sh
      echo "npm $* CI=$CI"
      if [ "$1" = test ]; then echo '${totals}'; fi
      case "$*" in '${failing}'*) exit 1;; esac`;
    writeFileSync(join(bin, 'npm'), npm, { mode: 0o755 });
    const env = { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH']}` };
    const { status, stdout } = spawnSync(resolve('.ci/run'), { env, encoding: 'utf8' });
    return { status, lines: stdout.trimEnd().split('\n') };
  }

  it('installs, checks, tests with CI=true and ends with the totals', () => {
    const { status, lines } = run('nothing', '5 passed, 0 failed, 1 skipped');
    const called = lines.filter((line) => line.startsWith('npm '));
    expect(called[0]).toMatch(/^npm ci\b/);
    for (const check of ['format:check', 'lint', 'types', 'knip']) {
      expect(called.slice(1, -1)).toContain(`npm run -s ${check} CI=true`);
    }
    expect(called.at(-1)).toBe('npm test CI=true');
    expect(lines.at(-1)).toBe('5 passed, 0 failed, 1 skipped');
    expect(status).toBe(0);
  });

  it('fails when a check fails, still runs the tests, and ends with their totals', () => {
    const { status, lines } = run('run -s lint', '5 passed, 0 failed, 0 skipped');
    expect(lines).toContain('FAILED: npm run -s lint');
    expect(lines.at(-1)).toBe('5 passed, 0 failed, 0 skipped');
    expect(status).not.toBe(0);
  });

  it('fails when the tests fail, with their totals', () => {
    const { status, lines } = run('test', '4 passed, 1 failed, 0 skipped');
    expect(lines.at(-1)).toBe('4 passed, 1 failed, 0 skipped');
    expect(status).not.toBe(0);
  });

  it('counts one failure where the tests never got as far as counting', () => {
    for (const [failing, totals] of [
      ['ci', '5 passed, 0 failed, 0 skipped'],
      ['test', 'The build failed'],
    ] as const) {
      const { status, lines } = run(failing, totals);
      expect(lines.at(-1)).toBe('0 passed, 1 failed, 0 skipped');
      expect(status).not.toBe(0);
    }
  });
});
