/** Bounds on what is kept for clients that connect with clean session = 0. */
export interface SessionLimits {
  /** Messages kept for a client that is away; newer ones are dropped and counted. */
  readonly offlineQueue: number;
  /** Messages unacknowledged by a client that is connected; one more closes it. */
  readonly onlineQueue: number;
  /** Bytes of topics and payloads kept for one session. */
  readonly sessionBytes: number;
  /** Bytes kept for all; twice as many while clients are connected, so that absent ones do not take their room. */
  readonly totalBytes: number;
  /** Sessions of clients that are away; the longest absent is forgotten first. */
  readonly sessions: number;
  /** How long a client may be away, in milliseconds. */
  readonly maxAgeMs: number;
}

/** What holds where nothing else is said. */
export const SESSION_LIMITS: SessionLimits = {
  offlineQueue: 1_000,
  onlineQueue: 10_000,
  sessionBytes: 8 * 1_048_576,
  totalBytes: 64 * 1_048_576,
  sessions: 10_000,
  maxAgeMs: 24 * 3_600_000,
};
