import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { describe } from '@jest/globals';
import { eventually } from './eventually.js';
import { findServices } from './find-services.mjs';
import type { ServiceName } from './find-services.mjs';

/** Where the real brokers and clients of this machine are; null for one that is missing. */
export const services = findServices();

/** A `describe` whose tests need these services: skipped, and counted as skipped, where one of them is missing. */
export function describeWith(needed: readonly ServiceName[], title: string, body: () => void): void {
  (needed.every((name) => services[name] !== null) ? describe : describe.skip)(title, body);
}

/** A port on 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export interface Mosquitto {
  readonly port: number;
  readonly url: string;
  /** Ends it (SIGTERM) and removes its files. Stopping twice is no error. */
  stop(): Promise<void>;
  /** Ends it at once (SIGKILL), as a crash does. */
  kill(): Promise<void>;
}

export interface MosquittoOptions {
  /** The port to listen on; default: a free one. */
  readonly port?: number;
  /** More lines for mosquitto.conf. */
  readonly config?: string;
}

/** Starts a real Mosquitto that listens on loopback and lets everybody in. Resolves when it accepts connections. */
export async function startMosquitto({ port, config = '' }: MosquittoOptions = {}): Promise<Mosquitto> {
  if (services.mosquitto === null) throw new Error('mosquitto is not installed; wrap the test in describeWith');
  const listenOn = port ?? (await freePort());
  const directory = mkdtempSync(join(tmpdir(), 'signalbox-mosquitto-'));
  const file = join(directory, 'mosquitto.conf');
  // As root, Mosquitto becomes another user, who could not write into this directory.
  const user = userInfo().username;
  writeFileSync(file, `listener ${listenOn} 127.0.0.1\nallow_anonymous true\nuser ${user}\n${config}\n`);
  const child = spawn(services.mosquitto, ['-c', file], { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
  const output: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
  const endWithUs = () => void child.kill('SIGKILL');
  process.once('exit', endWithUs);
  const end = async (signal: NodeJS.Signals) => {
    await endChild(child, signal);
    process.removeListener('exit', endWithUs);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await eventually('mosquitto accepts connections', async () => {
      if (child.exitCode !== null) return 'ended';
      return (await accepts(listenOn)) && 'listening';
    });
    // Another process may have been the one that accepted: then ours has ended, because the port was taken.
    if (child.exitCode !== null) throw new Error(`mosquitto ended with code ${child.exitCode}`);
  } catch (error) {
    await end('SIGKILL');
    throw new Error(`${String(error)}:\n${Buffer.concat(output).toString()}`, { cause: error });
  }
  return {
    port: listenOn,
    url: `mqtt://127.0.0.1:${listenOn}`,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  };
}

/** Sends `signal` to a child that is still running and resolves when it has ended. */
export async function endChild(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
