import type { Fleet } from './fleet.js';
import { shownUrl } from './options.js';
import type { SimulateOptions } from './options.js';
import type { Latency, Tally } from './tally.js';

/** What a run did; the JSON object of `--json`. Readings measured = `sent` + `unsent` + `skipped`. */
export interface Summary {
  readonly url: string;
  readonly devices: number;
  readonly qos: 0 | 1 | 2;
  readonly seed: number;
  readonly seconds: number;
  /** Readings handed to a connection at least once; one that had to be sent again counts once. */
  readonly sent: number;
  /** Of these, how many the broker acknowledged; null at QoS 0, which knows no acknowledgement. */
  readonly acknowledged: number | null;
  readonly unacknowledged: number | null;
  /** Measured while there was no connection, and not sent before the end. */
  readonly unsent: number;
  readonly resent: number;
  /** Measurements not taken because too many were waiting already. */
  readonly skipped: number;
  readonly perSecond: number;
  readonly latencyMs: Latency;
  readonly connects: number;
  readonly connectionsLost: number;
  readonly faults: Tally['faults'];
  readonly commands: Tally['commands'];
  readonly serviceErrors: Readonly<Record<string, number>>;
}

/** Sums up a run of `seconds`. */
export function summaryOf(options: SimulateOptions, fleet: Fleet, seconds: number): Summary {
  const { tally } = fleet;
  const acknowledged = options.qos === 0 ? null : tally.acknowledged;
  return {
    url: shownUrl(options.url),
    devices: options.devices,
    qos: options.qos,
    seed: options.seed,
    seconds: Number(seconds.toFixed(1)),
    sent: tally.sent,
    acknowledged,
    unacknowledged: acknowledged === null ? null : tally.sent - acknowledged,
    unsent: fleet.unsent,
    resent: tally.resent,
    skipped: tally.skipped,
    perSecond: seconds > 0 ? Number(((acknowledged ?? tally.sent) / seconds).toFixed(1)) : 0,
    latencyMs: tally.latency,
    connects: tally.connects,
    connectionsLost: tally.connectionsLost,
    faults: tally.faults,
    commands: tally.commands,
    serviceErrors: tally.serviceErrors,
  };
}

/** The summary for people, in a few lines. */
export function summaryText(summary: Summary): string {
  const { sent, acknowledged, unacknowledged, unsent, resent, skipped, latencyMs, seed } = summary;
  const lines = [
    `${summary.devices} devices, ${summary.seconds} s, ${summary.perSecond} readings per second`,
    acknowledged === null
      ? `readings    sent ${sent} (QoS 0: no acknowledgements)`
      : `readings    sent ${sent}, acknowledged ${acknowledged}, not acknowledged ${unacknowledged}, sent again ${resent}`,
    ...(unsent + skipped > 0 ? [`            never sent ${unsent}, not taken (too many waiting) ${skipped}`] : []),
    ...(latencyMs.p50 === null
      ? []
      : [`latency     p50 ${ms(latencyMs.p50)}, p99 ${ms(latencyMs.p99)}, longest ${ms(latencyMs.max)}`]),
    `connections made ${summary.connects}, lost ${summary.connectionsLost}`,
    `faults      ${listed(summary.faults)} (made on purpose; seed ${seed})`,
    `commands    ${listed(summary.commands)}`,
    `errors told ${listed(summary.serviceErrors) || 'none'}`,
  ];
  return lines.join('\n');
}

/** Milliseconds for people; `-` where there was nothing to measure. */
export function ms(value: number | null): string {
  return value === null ? '-' : `${value < 100 ? value.toFixed(1) : Math.round(value)} ms`;
}

function listed(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}
