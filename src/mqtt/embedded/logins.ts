import type { PublishPacket } from 'aedes';
import { endLogin } from '../../common/access.js';
import { FleetingSet } from '../../common/fleeting.js';
import type { AdmittedClient, ClientAccess, ClientLogin, RevokedClient } from '../client-access.js';
import type { Audit } from './audit.js';
import { type Connection, ownerOf } from './connection.js';
import type { SessionStore } from './session.store.js';
import { withinTime } from './within-time.js';

/** A client waits that long for its CONNACK. */
const LOGIN_TIMEOUT_MS = 10_000;
/** Logins that may be judged at the same time. */
const MAX_JUDGED = 10_000;
const SWEEP_MS = 1_000;
const WHY_CLOSED = {
  revoked: 'its login has been revoked',
  expired: 'its login has expired',
  claimed: 'its client id is that of a device now',
};

/** A login that is judged, and what became known meanwhile. */
interface Judged {
  readonly clientId: string;
  readonly revoked: RevokedClient[];
  /** The client id may have become that of a device. */
  isClaimed: boolean;
}

export interface LoginsParts {
  readonly access: ClientAccess;
  readonly audit: Audit;
  /** Publishes the will of a connection that has ended. */
  readonly sayWill: (connection: Connection, will: PublishPacket) => void;
  readonly sessions: SessionStore;
}

/**
 * The logins that are judged and those in effect, each until its connection ends. One that is revoked or expires closes its
 * connection at once, also where that is still being let in.
 */
export class Logins {
  private readonly inEffect = new FleetingSet<Connection>();
  /** Of those, the ones that end at some time. */
  private readonly expiring = new FleetingSet<Connection>();
  /** Of those, the ones that are no devices. */
  private readonly services = new FleetingSet<Connection>();
  private readonly judged = new Set<Judged>();
  private sweeper: NodeJS.Timeout | null = null;
  private unfollow: readonly (() => void)[] = [];

  constructor(private readonly parts: LoginsParts) {}

  /** How many are in effect. */
  get size(): number {
    return this.inEffect.size;
  }

  start(): void {
    const { access } = this.parts;
    if (!access.required) return;
    this.unfollow = [
      access.onRevoked((revoked) => void this.revoke(revoked)),
      access.onDevice((deviceId) => void this.giveWay(deviceId)),
    ];
    this.sweeper = setInterval(() => this.expire(), SWEEP_MS).unref();
  }

  stop(): void {
    for (const end of this.unfollow) end();
    if (this.sweeper) clearInterval(this.sweeper);
  }

  /** Puts the login into effect for the connection, or says that it is refused. Rejects where it cannot be judged, or not within 10 s. */
  async logIn(connection: Connection, login: ClientLogin): Promise<AdmittedClient | null> {
    if (this.judged.size >= MAX_JUDGED) throw new Error('too many logins at once');
    const { access } = this.parts;
    const { clientId } = login;
    const judged: Judged = { clientId, revoked: [], isClaimed: false };
    this.judged.add(judged);
    try {
      const admitted = await withinTime(access.logIn(login), LOGIN_TIMEOUT_MS, late);
      if (!admitted) return null;
      while (admitted.principal.kind === 'key' && judged.isClaimed) {
        judged.isClaimed = false;
        if (await access.isDevice(clientId)) return null;
      }
      if (judged.revoked.some((one) => ends(one, admitted))) return null;
      connection.login = admitted;
      if (connection.client.closed) return admitted;
      this.inEffect.add(connection);
      if (admitted.expiresAt !== null) this.expiring.add(connection);
      if (admitted.principal.kind === 'key') this.services.add(connection);
      return admitted;
    } finally {
      this.judged.delete(judged);
    }
  }

  /** The connection has ended, or is about to. True where its login was in effect until now. */
  gone(connection: Connection): boolean {
    this.expiring.delete(connection);
    this.services.delete(connection);
    return this.inEffect.delete(connection);
  }

  private async revoke(revoked: RevokedClient): Promise<void> {
    for (const meanwhile of this.judged) meanwhile.revoked.push(revoked);
    const ended = this.inEffect.values().filter(({ login }) => login && ends(revoked, login));
    const wills = ended.map((connection) => [connection, this.takeWill(connection)] as const);
    await Promise.all(ended.map((connection) => this.close(connection, 'revoked')));
    // What is not there any more has nothing to say, and what was kept for it is for nobody.
    if (await this.isGone(revoked)) this.parts.sessions.forgetOwner(ownerOf(revoked));
    else for (const [connection, will] of wills) if (will) this.parts.sayWill(connection, will);
  }

  /** The client id of a device is nobody else's, also of whoever had it first. Where that cannot be read, the device will take it over. */
  private async giveWay(deviceId: string | null): Promise<void> {
    for (const meanwhile of this.judged) meanwhile.isClaimed ||= deviceId === null || meanwhile.clientId === deviceId;
    for (const connection of this.services.values()) {
      const { clientId } = connection;
      if (deviceId !== null && clientId !== deviceId) continue;
      if (await this.parts.access.isDevice(clientId).catch(() => false)) await this.close(connection, 'claimed');
    }
  }

  private async isGone({ kind, id, credentialId }: RevokedClient): Promise<boolean> {
    if (kind === 'key') return true;
    // A device that cannot be asked for is still one, as far as is known.
    return credentialId === null && !(await this.parts.access.isDevice(id).catch(() => true));
  }

  private expire(): void {
    const now = Date.now();
    for (const connection of this.expiring.values()) {
      const expiresAt = connection.login?.expiresAt ?? null;
      if (expiresAt === null || expiresAt > now) continue;
      // A key that has expired publishes nothing any more, not even its will.
      if (connection.principal.kind === 'key') this.takeWill(connection);
      void this.close(connection, 'expired');
    }
  }

  /** The will that would be published now, which is not any more. */
  private takeWill({ client }: Connection): PublishPacket | null {
    const { will } = client;
    client.will = null;
    client._will = null;
    if (will) void this.parts.sessions.delWill(client);
    return will;
  }

  /** Resolves when nothing of the connection is left. */
  private async close(connection: Connection, why: keyof typeof WHY_CLOSED): Promise<void> {
    const { client, guard, address, clientId } = connection;
    // Else it has ended, or is being closed for another reason.
    if (this.gone(connection)) {
      endLogin(connection.principal);
      connection.isBlameless = true;
      this.parts.audit.note(`closed.${why}`, `client closed: ${WHY_CLOSED[why]}`, () => ({
        client: clientId,
        address,
      }));
    }
    if (guard.closed) return;
    const closed = new Promise<void>((resolve) => guard.once('close', resolve));
    client.close();
    await closed;
  }
}

function ends(revoked: RevokedClient, { principal, credentialId }: AdmittedClient): boolean {
  if (principal.kind !== revoked.kind || principal.id !== revoked.id) return false;
  return revoked.credentialId === null || revoked.credentialId === credentialId;
}

function late(): Error {
  return new Error(`no answer within ${LOGIN_TIMEOUT_MS / 1_000} s`);
}
