import { Worker } from 'node:worker_threads';
import { Logger } from '@nestjs/common';
import { FleetingMap } from '../../common/fleeting.js';
import { StartupError } from '../../common/startup.error.js';
import { unavailable } from '../storage.errors.js';
import type { Request, WorkerMessage, WorkerSettings } from './protocol.js';

const FIRST_RESTART_MS = 100;
const LAST_RESTART_MS = 5_000;
const STOP_WAIT_MS = 2_000;

export interface WorkerOptions {
  /** Stands in log lines. */
  readonly name: string;
  readonly url: URL;
  readonly settings: WorkerSettings;
  /** Heap limit; a worker that exceeds it ends and is started again. */
  readonly heapMb: number;
  /** Called after a worker that was lost is back. */
  readonly onBack?: () => void;
}

interface Call<Answer> {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** The main thread's end of one worker: asks it, and starts it again with a growing pause where it ended by itself. */
export class WorkerLink<Body, Answer> {
  private readonly logger = new Logger('Storage');
  private readonly calls = new FleetingMap<number, Call<Answer>>();
  private worker: Worker | null = null;
  private starting: Worker | null = null;
  private nextId = 1;
  private failedStarts = 0;
  private restart: NodeJS.Timeout | undefined;
  private stopping = false;

  constructor(private readonly options: WorkerOptions) {}

  /** Resolves once the worker is open. Throws StartupError where it says that it cannot open. */
  async start(): Promise<void> {
    const { url, name, settings, heapMb } = this.options;
    const worker = new Worker(url, {
      name,
      workerData: settings,
      resourceLimits: { maxOldGenerationSizeMb: heapMb, maxYoungGenerationSizeMb: 8 },
    });
    this.starting = worker;
    let reason: unknown = 'it ended by itself';
    await new Promise<void>((resolve, reject) => {
      worker.on('message', (message: WorkerMessage<Answer>) => {
        if (message.type === 'reply') {
          this.settle(message.id, message.body);
        } else if (message.type === 'refused') {
          reject(new StartupError(message.message, message.hint));
        } else {
          for (const note of message.notes) this.logger.log(note);
          this.worker = worker;
          this.starting = null;
          this.failedStarts = 0;
          resolve();
        }
      });
      worker.on('error', (error) => (reason = error));
      worker.on('exit', () => {
        reject(new Error(`the ${name} could not start: ${String(reason)}`, { cause: reason }));
        if (this.worker === worker) this.lose(reason);
      });
    });
  }

  /** Rejects with STORAGE_UNAVAILABLE where the worker is not there or ends before it has answered. */
  ask(body: Body): Promise<Answer> {
    return this.send(body);
  }

  /** Has the worker close its files after all that was asked before, and ends it; leaves it alone after 2 s without that answer. */
  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.restart);
    await this.starting?.terminate();
    const { worker } = this;
    if (!worker) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), STOP_WAIT_MS)));
    const closed = await Promise.race([this.send().then(() => true), late]).catch(() => false);
    clearTimeout(timer);
    this.worker = null;
    if (!closed) this.logger.error(`the ${this.options.name} did not close in time`);
    // Ended inside SQLite, a thread would crash the process; unreferenced, it does not keep it.
    if (closed) await worker.terminate();
    else worker.unref();
  }

  private send(body?: Body): Promise<Answer> {
    const { worker } = this;
    if (!worker) return Promise.reject(unavailable(`the ${this.options.name} is not running`));
    return new Promise((resolve, reject) => {
      const request: Request<Body> = body === undefined ? { id: this.nextId++ } : { id: this.nextId++, body };
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      worker.postMessage(request);
      this.calls.set(request.id, { resolve, reject });
    });
  }

  private settle(id: number, answer: Answer): void {
    this.calls.get(id)?.resolve(answer);
    this.calls.delete(id);
  }

  private lose(reason: unknown): void {
    this.worker = null;
    const error = unavailable(`the ${this.options.name} ended unexpectedly`, reason);
    const calls = this.calls.values();
    this.calls.clear();
    for (const call of calls) call.reject(error);
    if (this.stopping) return;
    this.logger.error(`the ${this.options.name} ended unexpectedly and is started again: ${String(reason)}`);
    this.restartLater();
  }

  private restartLater(): void {
    const pause = Math.min(FIRST_RESTART_MS * 2 ** this.failedStarts++, LAST_RESTART_MS);
    this.restart = setTimeout(() => {
      this.start().then(
        () => this.options.onBack?.(),
        (error: unknown) => {
          this.logger.error(`the ${this.options.name} could not be started again: ${String(error)}`);
          if (!this.stopping) this.restartLater();
        },
      );
    }, pause);
  }
}
