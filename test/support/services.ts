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
import { endWithUs } from './guard.mjs';

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
  readonly child: ChildProcess;
  /** Ends it (SIGTERM) and removes its files, unless they are in a directory that was given. Stopping twice is no error. */
  stop(): Promise<void>;
  /** Ends it at once (SIGKILL), as a crash does. */
  kill(): Promise<void>;
}

export interface MosquittoOptions {
  /** The port to listen on; default: a free one. */
  readonly port?: number;
  /** More lines for mosquitto.conf. */
  readonly config?: string;
  /** Where its files are, which stay there; default: a directory of its own, removed when it ends. */
  readonly directory?: string;
}

/** The settings that docs/operations.md asks of a Mosquitto that replicas share. Where it runs in the same directory again, it has its sessions again. */
export const DURABLE = [
  'persistence true',
  'max_inflight_messages 1000',
  'max_queued_messages 1000000',
  'max_queued_bytes 0',
].join('\n');

/** Starts a real Mosquitto that listens on loopback and lets everybody in. Resolves when it accepts connections. */
export async function startMosquitto({ port, config = '', directory }: MosquittoOptions = {}): Promise<Mosquitto> {
  if (services.mosquitto === null) throw new Error('mosquitto is not installed; wrap the test in describeWith');
  const listenOn = port ?? (await freePort());
  const home = directory ?? mkdtempSync(join(tmpdir(), 'signalbox-mosquitto-'));
  const file = join(home, 'mosquitto.conf');
  // As root, Mosquitto becomes another user, who could not write into this directory.
  const user = userInfo().username;
  writeFileSync(file, `listener ${listenOn} 127.0.0.1\nallow_anonymous true\nuser ${user}\n${config}\n`);
  const child = spawn(services.mosquitto, ['-c', file], { cwd: home, stdio: ['ignore', 'pipe', 'pipe'] });
  endWithUs(child);
  const output: Buffer[] = [];
  const keep = (chunk: Buffer) => output.length < 1_000 && output.push(chunk);
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const end = async (signal: NodeJS.Signals) => {
    await endChild(child, signal);
    if (directory === undefined) rmSync(home, { recursive: true, force: true });
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
    child,
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
