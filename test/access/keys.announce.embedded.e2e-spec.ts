import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { spawn } from 'node:child_process';
import { bearer, newKeyText } from '../support/access.js';
import { eventually } from '../support/eventually.js';
import { endWithUs } from '../support/guard.mjs';
import { get } from '../support/http.js';
import { describeWith, services } from '../support/services.js';
import { spawnService, startService, temporaryDirectory } from '../support/process.js';

/** Runs a program on a terminal of its own, as a person would. */
const ON_A_TERMINAL = 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))';

let directory: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory.remove());

const keyFile = () => join(directory.path, 'data/admin.key');

function readyRecord(output: string): Record<string, unknown> {
  return JSON.parse(output.split('\n').find((line) => line.includes('"ready"'))!) as Record<string, unknown>;
}

describe('A start with access required', () => {
  it('says where the admin key is, never what it is, and what to try with it', async () => {
    const box = await startService(directory.path, { ACCESS: 'required' });
    const ready = readyRecord(box.output());
    const key = readFileSync(keyFile(), 'utf8');
    expect(ready['access']).toBe(`required; the admin key is in ${keyFile()}`);
    for (const step of ready['next'] as string[])
      expect(step).toContain(`-H "Authorization: Bearer $(cat '${keyFile()}')"`);
    expect((await get(`${box.httpUrl}/v1/audit`, bearer(key))).status).toBe(200);
    expect(await box.stop()).toBe(0);
    expect(box.output()).not.toContain(key.slice(21));
  });

  it('names this machine in what to try where it listens on all addresses', async () => {
    const box = await startService(directory.path, { HTTP_HOST: '0.0.0.0' });
    for (const step of readyRecord(box.output())['next'] as string[])
      expect(step).toMatch(/^curl http:\/\/localhost:\d+\//);
    expect(await box.stop()).toBe(0);
  });

  it('prints neither that key nor the one in ADMIN_KEY for people where there is no terminal', async () => {
    const given = newKeyText();
    const both: readonly Record<string, string>[] = [{}, { ADMIN_KEY: given }];
    for (const settings of both) {
      const { child, output } = spawnService(directory.path, { ACCESS: 'required', LOG_FORMAT: 'pretty', ...settings });
      const closed = once(child, 'close');
      await eventually('it is ready', () => output().includes('Next, in another terminal:'));
      child.kill('SIGTERM');
      await closed;
      expect(output()).toMatch(/Access {3}required; the admin key is (in|that of ADMIN_KEY)/);
      for (const key of [readFileSync(keyFile(), 'utf8'), given]) expect(output()).not.toContain(key.slice(21));
    }
  });
});

// It brings the terminal.
describeWith(['paho'], 'A start on a terminal', () => {
  it('prints the admin key once: the one that made it', async () => {
    const started = async () => {
      const chunks: string[] = [];
      const child = spawn(services.paho!, ['-c', ON_A_TERMINAL, process.execPath, resolve('dist/main.js')], {
        cwd: directory.path,
        env: {
          PATH: process.env['PATH'],
          HTTP_PORT: '0',
          MQTT_PORT: '0',
          ACCESS: 'required',
          DATA_DIR: join(directory.path, 'data'),
        },
        stdio: ['pipe', 'pipe', 'pipe'],
      });
      endWithUs(child);
      child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
      const closed = once(child, 'close');
      await eventually('it is ready', () => chunks.join('').includes('Next, in another terminal:'));
      // Ctrl-C, as a person ends it.
      child.stdin.write('\u0003');
      await closed;
      return chunks.join('');
    };
    const [first, second] = [await started(), await started()];
    const key = readFileSync(keyFile(), 'utf8');
    expect(first).toContain(`Key      ${key}`);
    expect(second).toContain(`required; the admin key is in ${keyFile()}`);
    expect(second).not.toContain(key);
  });
});
