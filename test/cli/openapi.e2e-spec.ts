import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { temporaryDirectory } from '../support/process.js';

describe('signalbox openapi', () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => directory.remove());

  const openapi = (settings: Record<string, string> = {}) =>
    spawnSync(process.execPath, [resolve('dist/cli/signalbox.js'), 'openapi'], {
      cwd: directory.path,
      env: { PATH: process.env['PATH'], ...settings },
      encoding: 'utf8',
      maxBuffer: 16 * 1_048_576,
    });

  it('prints what docs/openapi.json keeps; else: npm run -s signalbox -- openapi > docs/openapi.json', () => {
    const { status, stdout, stderr } = openapi();
    expect([status, stderr]).toEqual([0, '']);
    // Parsed first, so that a difference is shown as one.
    expect(JSON.parse(readFileSync('docs/openapi.json', 'utf8'))).toEqual(JSON.parse(stdout));
    expect(readFileSync('docs/openapi.json', 'utf8')).toBe(stdout);
  });

  it('needs no settings, bears wrong ones, and leaves nothing behind', () => {
    writeFileSync(join(directory.path, '.env'), 'HTTP_PORT=none\n');
    const { status, stdout, stderr } = openapi({ MQTT_PORT: 'none', DATABASE_URL: 'mysql://x/y' });
    expect([status, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toMatchObject({ openapi: '3.1.0' });
    expect(readdirSync(directory.path)).toEqual(['.env']);
  });
});
