/** How many rows of each kind a run removed; `ids` are those of readings and events, and the keys of requests (24 h). */
export type RetentionReport = Readonly<
  Record<'readings' | 'events' | 'ids' | 'messages' | 'rejects' | 'commands' | 'audit' | 'sessions', number>
>;

/** Removes what is older than the settings allow (contract section 8): soon after the start, then every hour, in small pieces. */
export abstract class Retention {
  /** Removes all that is due at `now` (epoch milliseconds). Rejects with STORAGE_UNAVAILABLE where the database is away. */
  abstract run(now?: number): Promise<RetentionReport>;
}
