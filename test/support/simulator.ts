import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { connectAsync } from 'mqtt';
import type { MqttClient } from 'mqtt';
import type { Summary } from '../../src/cli/simulate/summary.js';
import { endChild } from './services.js';

const PROGRAM = resolve('dist/cli/signalbox.js');

/** A run of `signalbox simulate` from the build in dist/; what it printed so far is in `out` and `err`. */
export class SimulatorRun {
  private static readonly running = new Set<SimulatorRun>();
  readonly child: ChildProcess;
  out = '';
  err = '';
  private readonly ended: Promise<number | null>;

  constructor(...args: readonly string[]) {
    this.child = spawn(process.execPath, [PROGRAM, 'simulate', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout!.on('data', (chunk: Buffer) => (this.out += chunk.toString()));
    this.child.stderr!.on('data', (chunk: Buffer) => (this.err += chunk.toString()));
    this.ended = once(this.child, 'close').then(([code]) => code as number | null);
    SimulatorRun.running.add(this);
  }

  /** The exit code, once it has ended by itself. */
  async code(): Promise<number | null> {
    return await this.ended;
  }

  /** The JSON summary, after SIGINT. */
  async interrupt(): Promise<Summary> {
    this.child.kill('SIGINT');
    const code = await this.ended;
    if (code !== 0) throw new Error(`simulate ended with ${code}: ${this.err}`);
    return JSON.parse(this.out) as Summary;
  }

  /** Ends every run that a test left behind. */
  static async endAll(): Promise<void> {
    await Promise.all([...SimulatorRun.running].map(({ child }) => endChild(child, 'SIGKILL')));
    SimulatorRun.running.clear();
  }
}

/** A message that the service's side got. */
export interface Heard {
  readonly topic: string;
  readonly payload: string;
  readonly retain: boolean;
}

/** The service's side: hears everything below `devices/` and `poc/` and can speak to the devices. */
export async function listen(url: string, heard: Heard[]): Promise<MqttClient> {
  const client = await connectAsync(url, { protocolVersion: 4, reconnectPeriod: 0 });
  client.on('message', (topic, payload, { retain }) => heard.push({ topic, payload: payload.toString(), retain }));
  await client.subscribeAsync(['devices/#', 'poc/#'], { qos: 1 });
  return client;
}

/** The JSON objects heard on the topics that match. */
export function objects(heard: readonly Heard[], topic: RegExp): Record<string, unknown>[] {
  return heard
    .filter((one) => topic.test(one.topic))
    .flatMap(({ payload }) => {
      try {
        return [JSON.parse(payload) as Record<string, unknown>];
      } catch {
        return [];
      }
    });
}

/** Where native virtual devices publish their readings. */
export const NATIVE = /^devices\/sim-\d{4}\/up\/telemetry$/;
