/** What `signalbox simulate` was asked to do; every value is within its range. */
export interface SimulateOptions {
  /** 1-10,000. */
  readonly devices: number;
  /** Readings per second and device, 0-1,000. */
  readonly rate: number;
  /** Seconds; 0 = until it is interrupted. */
  readonly duration: number;
  readonly url: string;
  readonly prefix: string;
  readonly qos: 0 | 1 | 2;
  /** Probability of a fault per measurement, 0-1. */
  readonly faultRate: number;
  readonly seed: number;
  /** Use the topics of devices that were built for something else, as DEVICE_TOPICS has them from the start. */
  readonly foreign: boolean;
  /** Print the summary as one JSON object on standard output, and everything else on standard error. */
  readonly json: boolean;
  /** Seconds in which the first connection has to succeed. */
  readonly connectTimeout: number;
}

/** `url` without a user name and password, fit for a terminal or a log. */
export function shownUrl(url: string): string {
  const shown = new URL(url);
  shown.username = '';
  shown.password = '';
  return shown.href.replace(/\/$/, '');
}
