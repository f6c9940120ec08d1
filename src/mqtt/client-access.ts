import type { Principal } from '../common/access.js';

/** What a client says of itself when it connects to the embedded broker. */
export interface ClientLogin {
  readonly clientId: string;
  readonly username: string | null;
  readonly password: Uint8Array | null;
  /** The IP address that it comes from, without the port. */
  readonly address: string;
  /** CN of the certificate that it has shown and that was verified; null where it showed none. */
  readonly certificateName: string | null;
}

/** A client that is let in, and what it is let in by. */
export interface AdmittedClient {
  readonly principal: Principal;
  /** What it logged in with, where that can be revoked by itself: the id of a credential. */
  readonly credentialId: string | null;
  /** From when on it is not valid any more, in epoch milliseconds; null: until it is revoked. */
  readonly expiresAt: number | null;
}

/** Whose connections have lost their right to be there. `credentialId` null: whatever it logged in with. */
export interface RevokedClient {
  readonly kind: 'device' | 'key';
  readonly id: string;
  readonly credentialId: string | null;
}

/** Who may be a client of the embedded broker. `mqtt/` knows neither devices nor keys, so the application says who judges that. */
export abstract class ClientAccess {
  /** False: open mode. Nobody logs in, and every client may use any topic that does not start with `$`. */
  abstract readonly required: boolean;
  /**
   * The client where it may come in, or null; refused ones are all told at the same time, whatever is wrong. Rejects with
   * STORAGE_UNAVAILABLE, and with TOO_MANY_LOGINS where it is refused without waiting for that time.
   */
  abstract logIn(login: ClientLogin): Promise<AdmittedClient | null>;
  /** True where a device has this id. Rejects with STORAGE_UNAVAILABLE. */
  abstract isDevice(deviceId: string): Promise<boolean>;
  /** Calls back when clients are to be disconnected now. Returns what ends it. */
  abstract onRevoked(listener: (revoked: RevokedClient) => void): () => void;
  /** Calls back when there may be a device of this id that was not there before; null: of any id. Returns what ends it. */
  abstract onDevice(listener: (deviceId: string | null) => void): () => void;
}
