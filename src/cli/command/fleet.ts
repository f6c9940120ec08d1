import { randomUUID } from 'node:crypto';
import { RefusedError, UnreachableError } from '../service/service-error.js';
import { type CommandClient, LONGEST_WAIT_S } from './client.js';
import type { SendOptions } from './options.js';
import { type CommandResource, type Report, verdictOf } from './report.js';

/** A command that is followed to its end. */
interface Followed {
  readonly index: number;
  readonly command: CommandResource;
  /** By `performance.now()`. */
  readonly until: number;
}

/** Sends one command to each device, a bounded number of requests at once, and follows all of them to their ends side by side. */
export class FleetSend {
  private readonly reports: (Report | undefined)[];
  private readonly followed: Followed[] = [];
  /** Commands that Signalbox has accepted so far. */
  sent = 0;
  private gaveUp: UnreachableError | null = null;

  constructor(
    private readonly options: SendOptions,
    private readonly client: CommandClient,
  ) {
    this.reports = Array.from({ length: options.deviceIds.length });
  }

  /** What is known of those that are done with. */
  get done(): readonly Report[] {
    return this.reports.filter((report) => report !== undefined);
  }

  /** One report for each device, in their order. Never rejects. */
  async run(): Promise<readonly Report[]> {
    const { deviceIds } = this.options;
    // All are sent before the first is waited for, so that none is late because of another.
    let next = 0;
    await this.together(async () => {
      while (next < deviceIds.length) await this.send(next++);
    });
    await this.together(async () => {
      for (let one = this.followed.shift(); one; one = this.followed.shift()) await this.follow(one);
    });
    return this.done;
  }

  private async together(work: () => Promise<void>): Promise<void> {
    const { parallel, deviceIds } = this.options;
    await Promise.all(Array.from({ length: Math.min(parallel, deviceIds.length) }, work));
  }

  private async send(index: number): Promise<void> {
    const { deviceIds, body, waitMs } = this.options;
    const until = performance.now() + (waitMs ?? 0);
    await this.attempt(index, null, async () => {
      const command = await this.client.create(deviceIds[index]!, body, randomUUID());
      this.sent++;
      this.judge({ index, command, until });
    });
  }

  private async follow(one: Followed): Promise<void> {
    const left = secondsOf(one.until - performance.now());
    // Those that are open take turns where they are more than can be waited for at once.
    const wait = Math.min(left, this.followed.length > 0 ? 1 : LONGEST_WAIT_S);
    await this.attempt(one.index, one.command, async () =>
      this.judge({ ...one, command: await this.client.read(one.command.id, wait) }),
    );
  }

  private judge(one: Followed): void {
    const { index, command, until } = one;
    const waited = this.options.waitMs !== null;
    if (waited && !command.final && performance.now() < until) this.followed.push(one);
    else this.report(index, { verdict: verdictOf(command, waited), command, problem: null });
  }

  private async attempt(index: number, command: CommandResource | null, work: () => Promise<void>): Promise<void> {
    try {
      if (this.gaveUp) throw this.gaveUp;
      await work();
    } catch (error) {
      if (error instanceof UnreachableError) {
        // One that was tried for long enough stands for all.
        this.gaveUp = error;
        this.report(index, {
          verdict: 'unreachable',
          command,
          problem: { code: 'UNREACHABLE', detail: error.message },
        });
      } else if (error instanceof RefusedError) {
        const { code, message } = error;
        this.report(index, { verdict: command ? 'open' : 'refused', command, problem: { code, detail: message } });
      } else throw error;
    }
  }

  private report(index: number, report: Omit<Report, 'deviceId'>): void {
    this.reports[index] = { deviceId: this.options.deviceIds[index]!, ...report };
  }
}

function secondsOf(ms: number): number {
  return Math.max(0, Math.ceil(ms / 1_000));
}
