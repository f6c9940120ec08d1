import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { resolve } from 'node:path';
import { endWithUs } from '../../support/guard.mjs';
import type { ServiceName } from '../../support/find-services.mjs';
import { services } from '../../support/services.js';

/** One of the example devices that run as a process here. */
export interface Example {
  readonly title: string;
  /** What it needs to run, beside Node. */
  readonly needs: readonly ServiceName[];
  /** Starts it as the device `id` at the broker on this port of 127.0.0.1. What it says on standard error is ours. */
  start(id: string, port: number, ...options: readonly string[]): ChildProcess;
}

function example(title: string, needs: readonly ServiceName[], program: () => string, file: string): Example {
  return {
    title,
    needs,
    start: (id, port, ...options) => {
      const args = [resolve(file), '--id', id, '--port', String(port), ...options];
      const child = spawn(program(), args, { stdio: ['ignore', 'ignore', 'inherit'] });
      endWithUs(child);
      return child;
    },
  };
}

export const EXAMPLES: readonly Example[] = [
  example('the Python example', ['paho'], () => services.paho!, 'examples/python/device.py'),
  example('the Node example', [], () => process.execPath, 'examples/node/device.mjs'),
];
