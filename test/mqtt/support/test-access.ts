import { devicePrincipal, type Principal } from '../../../src/common/access.js';
import {
  type AdmittedClient,
  ClientAccess,
  type ClientLogin,
  type RevokedClient,
} from '../../../src/mqtt/client-access.js';

/** The principal of a key with these scopes. */
export function keyOf(id: string, ...scopes: readonly string[]): Principal {
  return { kind: 'key', id, scopes: new Set(scopes), tags: null };
}

export function admitted(principal: Principal, credentialId: string | null = null): AdmittedClient {
  return { principal, credentialId, expiresAt: null };
}

/** Logins as a test wants them. By itself it lets in any device whose password is `good`, with `credential-1`. */
export class TestAccess extends ClientAccess {
  override readonly required = true;
  readonly logins: ClientLogin[] = [];
  /** The devices that are none any more. */
  readonly deleted = new Set<string>();
  private readonly listeners = new Set<(revoked: RevokedClient) => void>();
  private readonly followers = new Set<(deviceId: string | null) => void>();

  judge: (login: ClientLogin) => Promise<AdmittedClient | null> = async ({ clientId, password }) =>
    Buffer.from(password ?? '').toString() === 'good' ? admitted(devicePrincipal(clientId), 'credential-1') : null;

  override async logIn(login: ClientLogin): Promise<AdmittedClient | null> {
    this.logins.push(login);
    return this.judge(login);
  }

  override async isDevice(deviceId: string): Promise<boolean> {
    return !this.deleted.has(deviceId);
  }

  override onRevoked(listener: (revoked: RevokedClient) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  override onDevice(listener: (deviceId: string | null) => void): () => void {
    this.followers.add(listener);
    return () => void this.followers.delete(listener);
  }

  /** There may be a device of this id from now on; null: of any. */
  claim(deviceId: string | null): void {
    for (const listener of this.followers) listener(deviceId);
  }

  revoke(kind: RevokedClient['kind'], id: string, credentialId: string | null = null): void {
    for (const listener of this.listeners) listener({ kind, id, credentialId });
  }
}
