import type { SendOptions } from './options.js';
import { isGood, type Report, type Verdict } from './report.js';

/** What a run did; the JSON object of `--json`. */
export interface SendSummary {
  readonly url: string;
  readonly type: unknown;
  readonly devices: number;
  readonly seconds: number;
  readonly verdicts: Readonly<Partial<Record<Verdict, number>>>;
  /** By the state in which they were last seen. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly commands: readonly {
    readonly deviceId: string;
    readonly verdict: Verdict;
    readonly id: string | null;
    readonly status: string | null;
    readonly outcome: string | null;
    readonly result: unknown;
    readonly error: { readonly code: string | null; readonly message: string | null } | null;
  }[];
}

/** Lines about single commands for people; of a fleet, more would hide the rest. */
const MOST_LINES = 20;

/** Sums up a run of `seconds`. */
export function summaryOf({ url, body }: SendOptions, reports: readonly Report[], seconds: number): SendSummary {
  return {
    url,
    type: body['type'],
    devices: reports.length,
    seconds: Number(seconds.toFixed(1)),
    verdicts: countsOf(reports.map(({ verdict }) => verdict)),
    statuses: countsOf(reports.flatMap(({ command }) => command?.status ?? [])),
    commands: reports.map(({ deviceId, verdict, command, problem }) => ({
      deviceId,
      verdict,
      id: command?.id ?? null,
      status: command?.status ?? null,
      outcome: command?.outcome ?? null,
      result: command?.result ?? null,
      error: problem ? { code: problem.code, message: problem.detail } : (command?.error ?? null),
    })),
  };
}

/** The summary for people: the command where there is one, else how many came to what, and which did not succeed. */
export function summaryText(summary: SendSummary, reports: readonly Report[]): string {
  if (reports.length === 1) return lineOf(reports[0]!);
  const bad = reports.filter((report) => !isGood(report));
  return [
    `${summary.devices} devices, ${summary.seconds} s: ${listed(summary.verdicts)}`,
    ...bad.slice(0, MOST_LINES).map((report) => `  ${lineOf(report)}`),
    ...(bad.length > MOST_LINES ? [`  and ${bad.length - MOST_LINES} more; --json lists all`] : []),
  ].join('\n');
}

/** Counts for people. */
function listed(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}

function countsOf<T extends string>(names: readonly T[]): Record<T, number> {
  const counts = {} as Record<T, number>;
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

function lineOf({ deviceId, verdict, command, problem }: Report): string {
  const error = problem ?? (command?.error && { code: command.error.code, detail: command.error.message });
  return [
    `${deviceId}: ${command ? `${command.status} (${command.outcome})` : verdict}`,
    ...(error ? [[error.code, error.detail].filter((text) => text !== null).join(': ')] : []),
    ...(command && command.result !== null ? [`result ${JSON.stringify(command.result)}`] : []),
    ...(command ? [`command ${command.id}`] : []),
  ].join('  ');
}
