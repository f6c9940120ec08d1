import { LiveLine } from '../live-line.js';
import { CommandClient } from './client.js';
import { FleetSend } from './fleet.js';
import type { SendOptions } from './options.js';
import { isGood } from './report.js';
import { summaryOf, summaryText } from './summary.js';

const EXIT = { done: 0, failed: 1, unavailable: 69 } as const;

/**
 * Sends the command to all devices and prints what became of it; SIGINT and SIGTERM end it with what is known (again: at
 * once). Returns the exit code: 0 all succeeded, or were accepted where no end was waited for; 1 some did not; 69 the
 * service never answered.
 */
export async function sendCommands(options: SendOptions): Promise<number> {
  const { url, deviceIds, json } = options;
  const startedAt = performance.now();
  const seconds = () => (performance.now() - startedAt) / 1_000;
  const stop = new AbortController();
  let isTold = false;
  const client = new CommandClient(url, options.login, options.patienceMs, stop.signal, (reason) => {
    if (!isTold) line.note(`Signalbox does not answer: ${reason}. Trying for ${options.patienceMs / 1_000} s.`);
    isTold = true;
  });
  const fleet = new FleetSend(options, client);
  const line = new LiveLine(json ? process.stderr : process.stdout, () => partsOf(fleet, deviceIds.length, seconds()));
  const interrupt = (): void => {
    if (stop.signal.aborted) process.exit(EXIT.failed);
    line.note('Stopping; what was accepted goes on without us.');
    stop.abort();
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  const reports = await fleet.run();
  line.end();
  const summary = summaryOf(options, reports, seconds());
  process.stdout.write(`${json ? JSON.stringify(summary) : summaryText(summary, reports)}\n`);
  if (client.answers === 0 && !stop.signal.aborted) {
    process.stderr.write(`Nothing answered at ${url}. Is Signalbox running? Start it with: npm start.\n`);
    return EXIT.unavailable;
  }
  return reports.every(isGood) ? EXIT.done : EXIT.failed;
}

function partsOf(fleet: FleetSend, devices: number, seconds: number): readonly string[] {
  const count = (...verdicts: readonly string[]) =>
    fleet.done.filter(({ verdict }) => verdicts.includes(verdict)).length;
  const { done, sent } = fleet;
  return [
    `${Math.round(seconds)}s`,
    `sent ${sent}/${devices}`,
    `final ${done.filter(({ command }) => command?.final).length}`,
    `succeeded ${count('succeeded')}`,
    `failed ${count('failed', 'refused', 'unreachable')}`,
    `expired ${count('expired')}`,
    `${(done.length / Math.max(seconds, 0.001)).toFixed(1)}/s`,
  ];
}
