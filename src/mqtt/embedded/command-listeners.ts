import type { Client } from 'aedes';
import { Attached, FleetingMap } from '../../common/fleeting.js';
import { isDeviceId } from '../../common/ids.js';
import { coversFilter } from '../filter-cover.js';
import type { Attendance, AttendanceChange, DepartureReason } from '../attendance.js';
import type { Listeners } from '../link.js';
import type { AedesClient } from './aedes-client.js';
import { Attendances } from './attendances.js';
import { connectionOf } from './connection.js';

/** The device that `filter` names literally and whose commands, below `prefix`, it covers all of; null for any other filter. */
export function listenedDevice(filter: string, prefix: string): string | null {
  const device = filter.split('/')[prefix.split('/').length];
  if (device === undefined || !isDeviceId(device)) return null;
  return coversFilter(filter, `${prefix}/${device}/down/commands/+`) ? device : null;
}

function isLive({ closed, conn }: Client): boolean {
  return !closed && !conn.destroyed;
}

/** Which clients listen for the commands of which devices, as far as their subscriptions have taken effect in aedes. */
export class CommandListeners implements Listeners {
  readonly attendances = new Attendances();
  /** The devices that a client listens for, by filter. */
  private readonly devicesOf = new Attached<Client, Map<string, string>>('devices');
  private readonly clientsOf = new FleetingMap<string, Set<Client>>();
  private readonly callbacks = new Set<(deviceId: string) => void>();

  constructor(
    private readonly prefix: string,
    private readonly clientOf: (id: string) => Client | undefined,
  ) {}

  has(deviceId: string): boolean {
    for (const client of this.clientsOf.get(deviceId) ?? []) if (isLive(client)) return true;
    return false;
  }

  isConnected(clientId: string): boolean {
    const client = this.clientOf(clientId);
    return client !== undefined && client.connected && isLive(client);
  }

  /** The listener must not throw. */
  onListening(listener: (deviceId: string) => void): () => void {
    this.callbacks.add(listener);
    return () => this.callbacks.delete(listener);
  }

  attendanceOf(deviceId: string): Attendance | null {
    return this.attendances.of(deviceId);
  }

  onAttendance(listener: (change: AttendanceChange) => void): () => void {
    return this.attendances.onChange(listener);
  }

  /** The client is let in. */
  ready(client: AedesClient): void {
    this.attendances.connected(client);
    // Those of a restored session, which came in no packet of this connection.
    this.started(client, Object.keys(client.subscriptions));
  }

  /** Subscriptions that were granted have taken effect, unless they have ended since. */
  started(client: AedesClient, filters: readonly string[]): void {
    if (!isLive(client)) return;
    const fresh = new Set<string>();
    for (const filter of filters) {
      const device = listenedDevice(filter, this.prefix);
      if (device === null || !this.isInEffect(client, filter)) continue;
      if (this.add(client, filter, device)) fresh.add(device);
    }
    for (const device of fresh) for (const callback of this.callbacks) callback(device);
  }

  /** Subscriptions have ended. */
  ended(client: Client, filters: readonly string[]): void {
    const devices = this.devicesOf.get(client);
    // Those that end with their connection are up to gone(), which knows why.
    if (!devices || !isLive(client)) return;
    for (const filter of filters) {
      const device = devices.get(filter);
      devices.delete(filter);
      if (device !== undefined && !includes(devices, device)) this.leave(client, device, 'unsubscribed');
    }
    if (devices.size === 0) this.devicesOf.delete(client);
  }

  /** aedes has ended subscriptions; it may mean one that was made again in the meantime. */
  dropped(client: AedesClient, filters: readonly string[]): void {
    const held = client.subscriptions;
    this.ended(
      client,
      filters.filter((filter) => !held[filter]),
    );
  }

  /** The connection has ended. */
  gone(client: Client, why: DepartureReason): void {
    this.attendances.ended(client, why);
    for (const device of this.devicesOf.get(client)?.values() ?? []) this.leave(client, device, why);
    this.devicesOf.delete(client);
  }

  /** aedes tells of a subscription also where its UNSUBSCRIBE came right behind it. */
  private isInEffect(client: AedesClient, filter: string): boolean {
    return client.subscriptions[filter] !== undefined && connectionOf(client)?.filters.has(filter) === true;
  }

  /** True where it is the client's first subscription for that device. */
  private add(client: Client, filter: string, device: string): boolean {
    const devices = this.devicesOf.get(client) ?? new Map<string, string>();
    const isFirst = !includes(devices, device);
    this.devicesOf.set(client, devices.set(filter, device));
    if (isFirst) {
      this.clientsOf.set(device, (this.clientsOf.get(device) ?? new Set()).add(client));
      this.attendances.listenedFor(device);
    }
    return isFirst;
  }

  private leave(client: Client, device: string, why: DepartureReason): void {
    const clients = this.clientsOf.get(device);
    if (!clients?.delete(client) || clients.size > 0) return;
    this.clientsOf.delete(device);
    this.attendances.unheard(device, why);
  }
}

function includes(devices: ReadonlyMap<string, string>, device: string): boolean {
  for (const one of devices.values()) if (one === device) return true;
  return false;
}
