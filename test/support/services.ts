import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
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
  /** All that it has logged on standard error, from its start on, for one reader. */
  readonly log: Readable;
  /** Ends it (SIGTERM) and removes its files, but for `data`. Stopping twice is no error. */
  stop(): Promise<void>;
  /** Ends it at once (SIGKILL), as a crash does. */
  kill(): Promise<void>;
}

export interface MosquittoOptions {
  /** The port to listen on; default: a free one. */
  readonly port?: number;
  /** More lines for mosquitto.conf. */
  readonly config?: string;
  /** A directory for its sessions and retained messages, which the next one may go on with. It is left in place. */
  readonly data?: string;
  /** The only user that it lets in. */
  readonly login?: { readonly username: string; readonly password: string };
  /** PEM files: TLS, and nobody is let in without a certificate that `ca` signed. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
}

/** Lines for mosquitto.conf that docs/operations.md asks for where replicas share it, beside `persistence` (see `data`). */
export const FOR_REPLICAS = ['max_inflight_messages 1000', 'max_queued_messages 0'].join('\n');

function mosquittoConfig(port: number, directory: string, { config = '', data, login, tls }: MosquittoOptions): string {
  const lines = [`listener ${port} 127.0.0.1`, `allow_anonymous ${login === undefined}`];
  // As root, Mosquitto becomes another user, who could not write into this directory.
  lines.push(`user ${userInfo().username}`);
  if (data !== undefined) lines.push('persistence true', `persistence_location ${data}/`);
  if (login !== undefined) {
    const file = join(directory, 'passwords');
    execFileSync('mosquitto_passwd', ['-b', '-c', file, login.username, login.password]);
    lines.push(`password_file ${file}`);
  }
  if (tls !== undefined) {
    lines.push(`cafile ${tls.ca}`, `certfile ${tls.cert}`, `keyfile ${tls.key}`, 'require_certificate true');
  }
  return `${[...lines, config].join('\n')}\n`;
}

/** Starts a real Mosquitto that listens on loopback and, unless told otherwise, lets everybody in. Resolves when it accepts connections. */
export async function startMosquitto(options: MosquittoOptions = {}): Promise<Mosquitto> {
  if (services.mosquitto === null) throw new Error('mosquitto is not installed; wrap the test in describeWith');
  const listenOn = options.port ?? (await freePort());
  const directory = mkdtempSync(join(tmpdir(), 'signalbox-mosquitto-'));
  const file = join(directory, 'mosquitto.conf');
  writeFileSync(file, mosquittoConfig(listenOn, directory, options));
  const child = spawn(services.mosquitto, ['-c', file], { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
  endWithUs(child);
  const output: Buffer[] = [];
  const keep = (chunk: Buffer) => output.length < 1_000 && output.push(chunk);
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  // Clients that were waiting for it may be there before whoever reads its log.
  const log = new PassThrough();
  child.stderr.on('data', (chunk: Buffer) => log.write(chunk));
  const end = async (signal: NodeJS.Signals) => {
    await endChild(child, signal);
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
    child,
    log,
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
