import type { Client, ConnectPacket } from 'aedes';
import type { Principal } from '../../common/access.js';
import type { TopicConfig } from '../../config/topic.config.js';
import type { AdmittedClient } from '../client-access.js';
import { type AccessRules, clampKeepalive, type ConnectRefusal } from './access-rules.js';
import type { Attendances } from './attendances.js';
import type { Audit } from './audit.js';
import { ClientRights } from './client-rights.js';
import { type Connection, connectionOf, ownerOf } from './connection.js';
import { detached } from './detached.js';
import type { Flapping } from './flapping.js';
import type { Logins } from './logins.js';

/** The same for every reason, so that nobody learns which ids there are (MQTT 3.1.1, table 3.1: not authorized). */
const BAD_LOGIN: ConnectRefusal = { returnCode: 5, why: 'login', detail: 'the login is not valid' };
const FLAPPING: ConnectRefusal = {
  returnCode: 5,
  why: 'flapping',
  detail: 'the client id is locked from this address for coming and going too often',
};

const ANOTHERS: ConnectRefusal = {
  returnCode: 2,
  why: 'client_id',
  detail: 'the client id is that of a client with another login',
};

type Admitted = (error: Error | null, success: boolean) => void;

export interface ClientAdmissionParts {
  readonly rules: AccessRules;
  readonly audit: Audit;
  readonly logins: Logins;
  /** Null: nobody is locked for coming and going. */
  readonly flapping: Flapping | null;
  readonly topics: TopicConfig;
  readonly attendances: Attendances;
  /** Told once its CONNECT is read. */
  readonly onConnect: (connection: Connection) => void;
  /** Who has `id`, or is about to. */
  readonly holderOf: (id: string) => Client | null;
  /** Resolves when nobody else has `id`. */
  readonly takeId: (id: string, client: Client) => Promise<void>;
  /** Ends the stored session under `id` unless it is `owner`'s. */
  readonly claim: (id: string, owner: string) => void;
}

/** Lets clients in, in aedes' `preConnect`. */
export class ClientAdmission {
  constructor(private readonly parts: ClientAdmissionParts) {}

  /** A connection has ended, let in or not. */
  gone({ client, ip, wasLetIn, isBlameless }: Connection): void {
    if (wasLetIn && !isBlameless && !client._disconnected) this.flaps(client.id, ip);
  }

  readonly preConnect = (client: Client, packet: ConnectPacket, done: Admitted): void => {
    const { rules, onConnect, flapping } = this.parts;
    const connection = connectionOf(client);
    if (!connection || client.closed) return done(new Error('closed before its CONNECT was read'), false);
    onConnect(connection);
    const refusal = rules.refuseConnect(packet);
    if (refusal) return this.refuse(connection, packet, refusal, done);
    if (flapping?.isLocked(packet.clientId, connection.ip)) return this.refuse(connection, packet, FLAPPING, done);
    if (packet.will) packet.will.payload = detached(packet.will.payload);
    packet.clientId = rules.clientId(packet);
    connection.clientId = packet.clientId;
    connection.guard.keepalive.set(clampKeepalive(packet.keepalive ?? 0));
    // The guard keeps the time; aedes would count while frames wait for our handlers.
    packet.keepalive = 0;
    void this.letIn(connection, packet, done);
  };

  /** The login is judged before anything is taken from whoever has the id. */
  private async letIn(connection: Connection, packet: ConnectPacket, done: Admitted): Promise<void> {
    const { client } = connection;
    const { rules, topics, attendances, takeId, claim } = this.parts;
    const admitted = await this.logIn(connection, packet);
    if (client.closed) return;
    if ('why' in admitted) return this.refuse(connection, packet, admitted, done);
    const rights = new ClientRights(admitted.principal, topics);
    const refusal = rules.refuseWill(packet.will, rights);
    if (refusal) return this.refuse(connection, packet, refusal, done);
    if (this.isAnothers(packet.clientId, admitted.principal)) return this.refuse(connection, packet, ANOTHERS, done);
    connection.rights = rights;
    this.noteTakeOver(packet.clientId, connection);
    // A service may have had the id before there was a device of that name: that it is there says nothing of the device.
    if (admitted.principal.kind !== 'key') attendances.enters(client, packet.clientId);
    await takeId(packet.clientId, client);
    if (client.closed) return;
    claim(packet.clientId, ownerOf(admitted.principal));
    done(null, true);
  }

  private async logIn(connection: Connection, packet: ConnectPacket): Promise<AdmittedClient | ConnectRefusal> {
    const { clientId, username = null, password = null } = packet;
    const login = { clientId, username, password, address: connection.ip, certificateName: connection.certificateName };
    try {
      return (await this.parts.logins.logIn(connection, login)) ?? BAD_LOGIN;
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      return { returnCode: 3, why: 'login', detail: `the login is not judged: ${detail}` };
    }
  }

  private refuse(connection: Connection, packet: ConnectPacket, refusal: ConnectRefusal, done: Admitted): void {
    const { detail, why, returnCode } = refusal;
    // Never the user name: people put passwords there.
    this.parts.audit.note(`refused.${why}`, 'connection refused', () => ({
      detail,
      client: packet.clientId.slice(0, 128),
      address: connection.address,
    }));
    connection.guard.refuse(returnCode);
    done(new Error(detail), false);
  }

  /** Else two services could throw each other out. A device gets its own id from whoever has it. */
  private isAnothers(id: string, principal: Principal): boolean {
    const holder = principal.kind === 'key' ? this.parts.holderOf(id) : null;
    const held = holder && connectionOf(holder);
    return held?.wasLetIn === true && !held.client.closed && ownerOf(held.principal) !== ownerOf(principal);
  }

  private noteTakeOver(id: string, { ip }: Connection): void {
    const holder = this.parts.holderOf(id);
    const held = holder && connectionOf(holder);
    if (!held?.wasLetIn || held.client.closed) return;
    held.isBlameless = true;
    this.flaps(id, ip);
  }

  private flaps(client: string, ip: string): void {
    if (!this.parts.flapping?.note(client, ip)) return;
    this.parts.audit.note('locked.flapping', 'client locked for 5 minutes: it comes and goes too often', () => ({
      client,
      address: ip,
    }));
  }
}
