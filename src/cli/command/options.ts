/** What `signalbox command send` was asked to do. */
export interface SendOptions {
  readonly url: string;
  /** Headers that log in, or none. */
  readonly login: Readonly<Record<string, string>>;
  readonly deviceIds: readonly string[];
  /** The command, as the body of `POST /v1/devices/{deviceId}/commands`. */
  readonly body: Readonly<Record<string, unknown>>;
  /** How long the end of a command is waited for, in milliseconds; null: it is enough that Signalbox has accepted it. */
  readonly waitMs: number | null;
  /** Requests in flight at once. */
  readonly parallel: number;
  /** How long a request is tried again while the service is away or says "not now", in milliseconds. */
  readonly patienceMs: number;
  /** Print the summary as one JSON object on standard output, and everything else on standard error. */
  readonly json: boolean;
}
