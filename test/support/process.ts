import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { startBackends } from './backends.js';
import { eventually } from './eventually.js';
import { endWithUs } from './guard.mjs';
import { endChild } from './services.js';

/** Signalbox as a process of its own, from the build in dist/. */
export interface Service {
  readonly child: ChildProcess;
  readonly httpUrl: string;
  readonly mqttUrl: string;
  readonly mqttPort: number;
  readonly dataDir: string;
  /** All that it has printed so far. */
  readonly output: () => string;
  /** Sends the signal and resolves with the exit code, or the signal that ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals | null>;
}

/** A new empty directory and its removal. */
export function temporaryDirectory(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'signalbox-test-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Spawns the program with these environment variables and an environment that holds nothing else of ours. */
export function spawnService(
  dataDir: string,
  settings: Record<string, string> = {},
): { readonly child: ChildProcess; readonly output: () => string } {
  const chunks: Buffer[] = [];
  const child = spawn(process.execPath, [resolve('dist/main.js')], {
    cwd: dataDir,
    env: {
      PATH: process.env['PATH'],
      HTTP_PORT: '0',
      MQTT_PORT: '0',
      DATA_DIR: join(dataDir, 'data'),
      LOG_FORMAT: 'json',
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  endWithUs(child);
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return { child, output: () => Buffer.concat(chunks).toString('utf8') };
}

/** Starts a program that is expected to end by itself, and resolves with how it did. */
export async function startAndEnd(
  dataDir: string,
  settings: Record<string, string> = {},
): Promise<{ readonly code: number | null; readonly output: string }> {
  const { child, output } = spawnService(dataDir, settings);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output: output() };
}

/**
 * Starts the program in `dataDir` and waits until it says ready; fails with its output where it does not. Where its broker is
 * a Mosquitto of its own (backends.ts), the two stop together.
 */
export async function startService(dataDir: string, settings: Record<string, string> = {}): Promise<Service> {
  const backends = await startBackends(dataDir, settings);
  const { child, output } = spawnService(dataDir, { ...backends.settings, ...settings });
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    await endChild(child, signal);
    await backends.stop();
    return child.exitCode ?? child.signalCode;
  };
  try {
    const ready = await eventually(
      'Signalbox says ready',
      () => {
        if (child.exitCode !== null) throw new Error(`Signalbox ended with ${child.exitCode}: ${output()}`);
        return readyRecord(output());
      },
      30_000,
    );
    return {
      child,
      httpUrl: ready.http,
      mqttUrl: ready.mqtt,
      mqttPort: Number(new URL(ready.mqtt).port),
      dataDir,
      output,
      stop,
    };
  } catch (error) {
    await stop('SIGKILL');
    throw error;
  }
}

function readyRecord(output: string): { readonly http: string; readonly mqtt: string } | null {
  const line = output.split('\n').find((text) => text.includes('"msg":"ready"'));
  return line ? (JSON.parse(line) as { http: string; mqtt: string }) : null;
}
