// Plain JavaScript, because Jest's global set-up uses it too, which no transform reaches.
import { spawn } from 'node:child_process';

/** Sees to it that `child` ends with this process, also where that is killed at once: a shell waits for the end of a pipe from us. */
export function endWithUs(child, signal = 'KILL') {
  if (child.pid === undefined) return;
  const guard = spawn('/bin/sh', ['-c', `read -r over || kill -s ${signal} "$0"`, String(child.pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.on('error', () => {});
  guard.stdin.on('error', () => {});
  guard.stdin.unref();
  guard.unref();
  // Once it has ended, its number may soon be that of another process.
  child.once('exit', () => guard.stdin.end('over\n'));
}
