import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Children that still run. Whatever ends the bench takes them along. */
const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.on(signal, () => process.exit(1));

const READY_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 10;
const STOP_TIMEOUT_MS = 15_000;
const OUTPUT_KEPT = 8_192;

/** A server under test: a child process with its ports, its costs and an end. */
export class TargetProcess {
  #child;
  #stopSignal;
  #output = '';

  /**
   * @param {string} name
   * @param {import('node:child_process').ChildProcess} child
   * @param {NodeJS.Signals} stopSignal
   */
  constructor(name, child, stopSignal) {
    this.name = name;
    this.#child = child;
    this.#stopSignal = stopSignal;
    /** Milliseconds from spawn until it was ready. */
    this.readyMs = 0;
    running.add(child);
    child.once('exit', () => running.delete(child));
    const keep = (/** @type {Buffer} */ chunk) => {
      this.#output = (this.#output + chunk.toString()).slice(-OUTPUT_KEPT);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
  }

  get pid() {
    return /** @type {number} */ (this.#child.pid);
  }

  get ended() {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** The last of what it printed. */
  get output() {
    return this.#output.trim();
  }

  /** Processor seconds used so far, all threads and those of its children that live; from /proc, in steps of 10 ms. */
  cpuSeconds() {
    return [this.pid, ...childrenOf(this.pid)].reduce((sum, pid) => sum + cpuSecondsOf(pid), 0);
  }

  /** Resident and proportional memory in MiB. */
  memory() {
    const kilobytes = (/** @type {string} */ file, /** @type {string} */ field) =>
      Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${this.pid}/${file}`, 'utf8'))?.[1]);
    return { rss: kilobytes('status', 'VmRSS') / 1024, pss: kilobytes('smaps_rollup', 'Pss') / 1024 };
  }

  /** Asks it to end (SIGTERM, if nothing else was said) and waits for exit code 0; throws where it takes longer than 15 s or ends otherwise. */
  async stop() {
    if (!this.ended) {
      const exit = once(this.#child, 'exit');
      this.#child.kill(this.#stopSignal);
      const stopped = await Promise.race([exit.then(() => true), sleep(STOP_TIMEOUT_MS, false, { ref: false })]);
      if (!stopped) {
        this.#child.kill('SIGKILL');
        await exit;
        throw new Error(
          `${this.name} did not stop within ${STOP_TIMEOUT_MS / 1_000} s of ${this.#stopSignal}\n${this.output}`,
        );
      }
    }
    if (this.#child.exitCode !== 0) throw new Error(`${this.name} ended with ${this.#how()}\n${this.output}`);
  }

  /** Ends it whatever its state. For after a failure. */
  kill() {
    this.#child.kill('SIGKILL');
  }

  #how() {
    return this.#child.signalCode ?? `code ${this.#child.exitCode}`;
  }
}

function childrenOf(/** @type {number} */ pid) {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    // A kernel without this list.
    return [];
  }
}

function cpuSecondsOf(/** @type {number} */ pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop()?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    // It has ended since it was listed.
    return 0;
  }
}

/**
 * Starts a server on ports that were free a moment ago, again on others where one of them was taken meanwhile, and resolves
 * once `isReady` says so.
 * @template {string} Name
 * @param {object} options
 * @param {string} options.name
 * @param {readonly Name[]} options.ports
 * @param {(ports: Record<Name, number>) => { command: string, args: string[], env?: Record<string, string>, cwd?: string, uid?: number, gid?: number, stopSignal?: NodeJS.Signals }} options.command
 * @param {(ports: Record<Name, number>) => Promise<boolean>} options.isReady
 * @returns {Promise<{ target: TargetProcess, ports: Record<Name, number> }>}
 */
export async function startTarget({ name, ports: names, command, isReady }) {
  for (let attempt = 1; ; attempt += 1) {
    const ports = /** @type {Record<Name, number>} */ (Object.fromEntries(await freePorts(names)));
    const { command: file, args, stopSignal = 'SIGTERM', ...options } = command(ports);
    const spawnedAt = performance.now();
    const child = spawn(file, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    const target = new TargetProcess(name, child, stopSignal);
    if (await becomesReady(target, () => isReady(ports))) {
      target.readyMs = performance.now() - spawnedAt;
      return { target, ports };
    }
    target.kill();
    const clash = /in use|EADDRINUSE/i.test(target.output);
    if (!clash || attempt === 3) throw new Error(`${name} did not become ready\n${target.output}`);
  }
}

async function becomesReady(/** @type {TargetProcess} */ target, /** @type {() => Promise<boolean>} */ isReady) {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (!target.ended && performance.now() < deadline) {
    if (await isReady()) return true;
    await sleep(READY_POLL_MS);
  }
  return false;
}

async function freePorts(/** @type {readonly string[]} */ names) {
  const servers = names.map(() => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => /** @type {import('node:net').AddressInfo} */ (server.address()).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return names.map((name, i) => /** @type {const} */ ([name, ports[i]]));
}
