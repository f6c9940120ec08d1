import type { Client } from 'aedes';
import type { Principal } from '../../common/access.js';
import { Attached } from '../../common/fleeting.js';
import { matchesFilter } from '../../common/topic.js';
import type { DepartureReason } from '../attendance.js';
import type { AdmittedClient } from '../client-access.js';
import type { AedesClient } from './aedes-client.js';
import type { ClientRights } from './client-rights.js';
import { endOf } from './connection-end.js';
import type { FrameGuard } from './frame.guard.js';
import type { Incoming } from './transport.js';

/** A publish in the order of its arrival; its end may come at any time. */
export interface Slot {
  /** True once it is decided. */
  readonly settled: boolean;
  /** Bytes that it counts in the flow. */
  readonly bytes: number;
  /** Lets aedes acknowledge it, or not. */
  release(): void;
}

/** Whose a stored session is. */
export function ownerOf({ kind, id }: Pick<Principal, 'kind' | 'id'>): string {
  return `${kind} ${id}`;
}

const connections = new Attached<Client, Connection>('connection');

/** The connection of a client of our broker. */
export function connectionOf(client: Client): Connection | undefined {
  return connections.get(client);
}

/** What is kept of one connected client: its guard, its subscriptions, and its publishes in order of arrival. */
export class Connection {
  /** Granted QoS by filter. */
  readonly filters = new Map<string, 0 | 1 | 2>();
  /** Ids of QoS 2 publishes that are with their handlers [MQTT-4.3.3-2]. */
  readonly qos2InFlight = new Set<number>();
  /** The client id of its CONNECT, once that is read. */
  clientId = '';
  /** What it is let in by; said once, when its login is good. */
  login: AdmittedClient | null = null;
  /** Which topics it may use: none before that. */
  rights: ClientRights | null = null;
  /** Its CONNECT was answered with "accepted". */
  wasLetIn = false;
  /** That it ends is our doing, or has a reason that says nothing of the client. */
  isBlameless = false;
  /** The broker's number of the message that was forwarded last. */
  lastForwarded = 0;
  private slots: Slot[] = [];
  private head = 0;

  constructor(
    readonly guard: FrameGuard,
    readonly client: AedesClient,
    private readonly incoming: Incoming,
  ) {
    connections.set(client, this);
  }

  /** IP address and port of the peer. */
  get address(): string {
    return this.incoming.address;
  }

  /** CN of the certificate that the client has shown and that was verified; null where it showed none. */
  get certificateName(): string | null {
    return this.incoming.certificateName;
  }

  /** Why it ended, once its guard is closed. */
  get whyEnded(): DepartureReason {
    return endOf(this.client, this.guard, this.incoming.stream);
  }

  /** The IP address of the peer. */
  get ip(): string {
    return this.address.slice(0, this.address.lastIndexOf(':'));
  }

  /** Who the client is. To be asked after its login. */
  get principal(): Principal {
    if (!this.login) throw new Error('nobody has logged in on this connection');
    return this.login.principal;
  }

  /** The client is let in. */
  admitted(): void {
    this.wasLetIn = true;
    this.incoming.admitted();
  }

  /** True where a subscription to `topic` was granted QoS 2. */
  grantsQos2(topic: string): boolean {
    for (const [filter, qos] of this.filters) if (qos === 2 && matchesFilter(filter, topic)) return true;
    return false;
  }

  /** The lowest QoS that was granted to a subscription to `topic`; aedes may send with any of them. 0 where there is none. */
  leastQos(topic: string): number {
    const granted = [...this.filters].filter(([filter]) => matchesFilter(filter, topic)).map(([, qos]) => qos);
    return granted.length === 0 ? 0 : Math.min(...granted);
  }

  add(slot: Slot): void {
    this.guard.claim(slot.bytes);
    this.slots.push(slot);
  }

  /** Releases what is settled, in order of arrival and no further than the first that is not [MQTT-4.6.0-2, -3]. */
  release(): void {
    for (let slot = this.slots[this.head]; slot?.settled; slot = this.slots[this.head]) {
      this.head++;
      slot.release();
      this.guard.settle(slot.bytes);
    }
    if (this.head === this.slots.length) {
      this.slots = [];
      this.head = 0;
    }
  }
}
