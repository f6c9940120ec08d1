/**
 * What keeps another list of devices equal to the registry, such as the logins of a broker elsewhere. It hears what it must know
 * from whichever replica made the change.
 */
export interface RegistryFollower {
  /**
   * The device gets this secret, and may have another one that stays valid for a while. Called before the commit, because the
   * secret is known only here and now: where it rejects, the request fails with FOLLOWER_UNAVAILABLE (503) and nothing is stored.
   * Where the commit fails after it, `changed` follows.
   */
  credentialIssued(deviceId: string, secret: string): Promise<void>;

  /**
   * Something has changed of the device that decides over its logins: it was created, approved, enabled, disabled or deleted, or
   * a credential was issued or revoked. After the commit, on every replica; null: some changes may have been missed. It reads
   * from the registry what is so now. Must not throw.
   */
  changed(deviceId: string | null): void;
}
