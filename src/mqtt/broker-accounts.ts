/** What a device may do at the broker. */
export interface WantedAccount {
  readonly deviceId: string;
  /** It may log in, with one of `fingerprints`. */
  readonly enabled: boolean;
  /** Of the secrets that are valid now (see {@link BrokerAccounts.fingerprintOf}). */
  readonly fingerprints: readonly string[];
  /** Topics that it may publish to, and filters that it may subscribe to. */
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** How an account at the broker stands to the one that is wanted. */
export type AccountVerdict =
  /** All is as wanted. */
  | 'equal'
  /** Something must be changed. */
  | 'different'
  /** It is of somebody else, and stays as it is. */
  | 'taken';

/** An account at the broker, or the place where one could be. */
export interface KeptAccount {
  readonly name: string;
  /** Signalbox made it. */
  readonly isOurs: boolean;
  readonly enabled: boolean;
  /** Of the secret that it was given last; null: it has none, and nobody can log in. */
  readonly fingerprint: string | null;
  compare(wanted: WantedAccount): AccountVerdict;
}

/**
 * The accounts that an external broker keeps by itself, where it has an interface for that. Everything here rejects with
 * BROKER_UNAVAILABLE where the broker is away, does not answer or refuses: what may have been done then is seen in the next list.
 */
export abstract class BrokerAccounts {
  /** True while the broker can be asked. */
  abstract readonly isReady: boolean;
  /**
   * Connects, and stays connected; resolves when it is, at the first trouble, or after 5 s. `onReady`: the broker can be asked,
   * now or again.
   */
  abstract open(onReady: () => void): Promise<void>;
  abstract close(): Promise<void>;
  /** What is kept of a secret beside the account, so that it can be told later whether it is still valid. */
  abstract fingerprintOf(hash: string): string;
  /** All accounts, those of others included, by name. */
  abstract list(): Promise<ReadonlyMap<string, KeptAccount>>;
  /**
   * Makes the account of the device as it is wanted, and gives it `secret`, where there is one, as its only password; changes
   * disconnect its client. Without a valid secret the account stays closed, and where there is none yet none is made. Resolves
   * with what was there before. Rejects with BROKER_ACCOUNT_TAKEN where the name is somebody else's.
   */
  abstract put(wanted: WantedAccount, secret: string | null): Promise<KeptAccount>;
  /** Closes the account, where it is ours, and disconnects its client. */
  abstract disable(name: string): Promise<void>;
  /** Removes the account and its rights, where it is ours, and disconnects its client. */
  abstract remove(name: string): Promise<void>;
  /** Forbids to everybody what no right allows. */
  abstract denyByDefault(): Promise<void>;
}
