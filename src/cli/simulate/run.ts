import type { Ending } from './connection.js';
import { Fleet } from './fleet.js';
import { shownUrl } from './options.js';
import type { SimulateOptions } from './options.js';
import { Progress } from './progress.js';
import { summaryOf, summaryText } from './summary.js';

/** How long outstanding acknowledgements and answers are waited for at the end. */
const DRAIN_MS = 5_000;
const WATCH_MS = 200;

const EXIT = { done: 0, failed: 1, unavailable: 69 } as const;

type StopReason = 'duration' | 'interrupted' | 'unreachable' | 'refused';

/**
 * Runs virtual devices until the duration is over or SIGINT or SIGTERM comes (twice: at once), and prints the summary.
 * Returns the exit code: 0 done; 1 the service refused the devices, or readings stayed unacknowledged at the end of the
 * duration; 69 the service was never reached.
 */
export async function runSimulation(options: SimulateOptions): Promise<number> {
  const run = new Run(options);
  return await run.toTheEnd();
}

class Run {
  private readonly fleet: Fleet;
  private readonly progress: Progress;
  private readonly atOnce = new AbortController();
  private readonly startedAt = performance.now();
  private stop: (reason: StopReason) => void = () => undefined;
  private away: 'never reached' | 'lost' | null = null;
  private refusal: string | null = null;

  constructor(private readonly options: SimulateOptions) {
    const { devices, qos, json } = options;
    this.fleet = new Fleet(options, (ending) => this.onDown(ending));
    this.progress = new Progress(json ? process.stderr : process.stdout, this.fleet.tally, devices, qos > 0);
  }

  async toTheEnd(): Promise<number> {
    const { devices, rate, url } = this.options;
    this.progress.note(`${devices} devices at ${shownUrl(url)}, ${rate} readings per second each; Ctrl-C stops them`);
    const stopped = this.waitForStop();
    void this.fleet.start();
    const reason = await stopped;
    const seconds = this.seconds;
    const reached = this.fleet.tally.connects > 0;
    if (reached) await this.fleet.drain(DRAIN_MS, this.atOnce.signal);
    const summary = summaryOf(this.options, this.fleet, seconds);
    if (this.atOnce.signal.aborted) this.fleet.abort();
    else await this.fleet.close();
    this.progress.end();
    process.stdout.write(`${this.options.json ? JSON.stringify(summary) : summaryText(summary)}\n`);
    if (this.refusal !== null && !reached) {
      process.stderr.write(
        `The service refused the devices: ${this.refusal}\nsimulate needs a service in open mode.\n`,
      );
      return EXIT.failed;
    }
    if (!reached) {
      process.stderr.write(`Nothing answered at ${shownUrl(url)} within ${seconds.toFixed(0)} s. ${HINT}\n`);
      return EXIT.unavailable;
    }
    return reason === 'duration' && (summary.unacknowledged ?? 0) + summary.unsent > 0 ? EXIT.failed : EXIT.done;
  }

  private get seconds(): number {
    return (performance.now() - this.startedAt) / 1000;
  }

  private async waitForStop(): Promise<StopReason> {
    const reason = new Promise<StopReason>((resolve) => {
      this.stop = resolve;
    });
    let interrupts = 0;
    const interrupt = () => {
      interrupts += 1;
      if (interrupts === 1) this.progress.note('Stopping ... (again to stop at once)');
      else this.atOnce.abort();
      this.stop('interrupted');
    };
    process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
    // A reader that went away (`simulate | head`) ends the run as an interrupt does.
    for (const output of [process.stdout, process.stderr]) output.on('error', () => this.stop('interrupted'));
    const watch = setInterval(() => this.watch(), WATCH_MS);
    try {
      return await reason;
    } finally {
      clearInterval(watch);
    }
  }

  private watch(): void {
    const { duration, connectTimeout } = this.options;
    const { connects, online } = this.fleet.tally;
    if (this.away && online > 0) {
      if (this.away === 'lost') this.progress.note('The service is back.');
      this.away = null;
    }
    if (duration > 0 && this.seconds >= duration) this.stop('duration');
    else if (connects === 0 && this.seconds >= connectTimeout) this.stop('unreachable');
  }

  private onDown({ reason, refused }: Ending): void {
    const { connects, online } = this.fleet.tally;
    if (refused && connects === 0) {
      this.refusal ??= reason;
      return this.stop('refused');
    }
    if (this.away || online > 0) return;
    this.away = connects === 0 ? 'never reached' : 'lost';
    this.progress.note(
      connects === 0
        ? `Cannot connect yet: ${reason}. ${HINT} Trying for ${this.options.connectTimeout} s.`
        : `Lost the service: ${reason}. The devices keep their readings and connect again by themselves.`,
    );
  }
}

const HINT = 'Is Signalbox running? Start it with: npm start.';
