import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { missingServices } from './find-services.mjs';

const JEST = resolve('node_modules/jest/bin/jest.js');
const REPORTER = resolve('test/support/summary-reporter.mjs');

describe('the last lines of a test run', () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'signalbox-reporter-'));
  });

  afterEach(() => rmSync(root, { recursive: true, force: true }));

  /** Runs Jest over two projects of test files given as `project/name: source`; both streams end up in `lines`, in order. */
  function run(files: Readonly<Record<string, string>>, env: NodeJS.ProcessEnv = {}) {
    for (const [name, source] of Object.entries(files)) {
      mkdirSync(join(root, name, '..'), { recursive: true });
      writeFileSync(join(root, name), source);
    }
    const projects = ['one', 'two'].map((name) => ({ rootDir: join(root, name), transform: {} }));
    for (const { rootDir } of projects) mkdirSync(rootDir, { recursive: true });
    const config = { rootDir: root, projects, reporters: ['default', REPORTER] };
    writeFileSync(join(root, 'jest.config.json'), JSON.stringify(config));
    const command = `"${process.execPath}" "${JEST}" --runInBand --config jest.config.json 2>&1`;
    const { CI: _, ...inherited } = process.env;
    const { stdout, status } = spawnSync('sh', ['-c', command], {
      cwd: root,
      encoding: 'utf8',
      env: { ...inherited, ...env },
    });
    return { status, lines: stdout.trimEnd().split('\n') };
  }

  it('end with the true totals over all projects, a file that does not load counting as failed', () => {
    const { status, lines } = run({
      'one/a.test.js': `test('a', () => {}); test.skip('b', () => {}); test.todo('c'); test('d', () => { throw 1; });`,
      'one/b.test.js': `test('e', () => {});`,
      'two/c.test.js': `require('./missing.js');`,
    });
    expect(lines.at(-1)).toBe('2 passed, 2 failed, 2 skipped');
    expect(status).toBe(1);
  });

  it('name what is missing loudly; a run that passes otherwise then fails, but only with CI=true', () => {
    const files = { 'one/a.test.js': `test('a', () => {});` };
    const env = { NODE_OPTIONS: `--require ${resolve('test/support/hide-services.cjs')}` };
    const atHome = run(files, env);
    expect(atHome.lines.at(-1)).toBe('1 passed, 0 failed, 0 skipped');
    expect(atHome.lines.at(-3)).toMatch(
      /^TESTS WERE SKIPPED: .*\bmosquitto\b.* postgresql\b.* not installed here\. .*apt-get install/,
    );
    expect(atHome.status).toBe(0);
    const inCi = run(files, { ...env, CI: 'true' });
    expect(inCi.lines.at(-1)).toBe('1 passed, 0 failed, 0 skipped');
    expect(inCi.status).toBe(1);
  });

  it('say nothing of services where all are there', () => {
    const { lines, status } = run({ 'two/a.test.js': `test('a', () => {});` }, { CI: 'true' });
    const complete = missingServices().length === 0;
    expect(lines.some((line) => line.includes('TESTS WERE SKIPPED'))).toBe(!complete);
    expect(status).toBe(complete ? 0 : 1);
  });
});
