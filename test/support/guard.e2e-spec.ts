import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { expect, it } from '@jest/globals';
import { eventually } from './eventually.js';

/** A process that starts another one, prints its number, and waits. */
const PARENT = `
  import { spawn } from 'node:child_process';
  import { endWithUs } from ${JSON.stringify(resolve('test/support/guard.mjs'))};
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  endWithUs(child);
  process.stdout.write(String(child.pid));
  setInterval(() => {}, 1_000);
`;

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

it.each(['SIGKILL', 'SIGTERM'] as const)('a process of a test ends with the test run, also by %s', async (signal) => {
  const parent = spawn(process.execPath, ['--input-type=module', '-e', PARENT], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [pid] = (await once(parent.stdout, 'data')) as [Buffer];
  expect(isRunning(Number(pid))).toBe(true);
  parent.kill(signal);
  await eventually('the child is gone', () => !isRunning(Number(pid)));
});
