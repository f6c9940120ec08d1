/** How long a lease lasts from its last renewal, in milliseconds. */
export const LEASE_MS = 10_000;

/** The leases of one renewal, valid for {@link LEASE_MS} from the moment the renewal was asked for. */
export interface SeatLeases {
  /** What this replica holds now. */
  readonly held: readonly string[];
  /** Those of `held` that it is to give back, once drained, because others hold too few. */
  readonly surplus: readonly string[];
}

/**
 * Who reads with which session of an external broker: leases as rows, shared evenly by the live replicas. Implemented over
 * the database outside `mqtt/`, which knows no storage. All methods reject where the database is away.
 */
export abstract class SeatStore {
  /** Shows that this replica lives, renews what it holds of `names`, and takes what is free, or whose holder is gone, up to its share. */
  abstract renew(names: readonly string[]): Promise<SeatLeases>;
  /** Gives leases back at once. Those of others are left alone. */
  abstract release(names: readonly string[]): Promise<void>;
  /** Leaves: gives back all and no longer counts as a live replica. */
  abstract leave(): Promise<void>;
  /** Calls `listener` when a lease may have become free. Returns what ends it. */
  abstract onChange(listener: () => void): () => void;
}
