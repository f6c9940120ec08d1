import type { Client } from 'aedes';
import { FleetingMap } from '../../common/fleeting.js';
import type { Attendance, AttendanceChange, ArrivalReason, DepartureReason } from '../attendance.js';

interface Place {
  /** Connections that are being let in under the id, each once the one before it is gone. */
  readonly entering: Set<Client>;
  connected: Client | null;
  /** Another client, or its own, is subscribed to its commands. */
  listenedFor: boolean;
  arrival: Attendance | null;
  /** Why the last one left. */
  left: DepartureReason;
}

/**
 * Which devices are there, under their own id or by a client that listens for them. Where a connection ends because another
 * takes its id over, or while another is being let in, its device has not left unless that one fails.
 */
export class Attendances {
  private readonly places = new FleetingMap<string, Place>();
  private readonly idOf = new WeakMap<Client, string>();
  private readonly listeners = new Set<(change: AttendanceChange) => void>();
  private stopped = false;

  /** Those that are there. */
  get size(): number {
    return this.places.size;
  }

  of(deviceId: string): Attendance | null {
    return this.places.get(deviceId)?.arrival ?? null;
  }

  /** Calls back at each change; the listener must not throw. Returns what ends it. */
  onChange(listener: (change: AttendanceChange) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** The broker stops: that connections end from now on says nothing of the devices. */
  stop(): void {
    this.stopped = true;
  }

  /** A connection is about to be let in under `id`. */
  enters(client: Client, id: string): void {
    this.idOf.set(client, id);
    this.placeOf(id).entering.add(client);
  }

  /** It is in. */
  connected(client: Client): void {
    const id = this.idOf.get(client);
    const place = id !== undefined && this.places.get(id);
    // aedes also tells of one that closed meanwhile.
    if (!place || !place.entering.delete(client)) return;
    place.connected = client;
    this.settle(id, 'connected');
  }

  /** A connection has ended, let in or not. */
  ended(client: Client, why: DepartureReason): void {
    const id = this.idOf.get(client);
    const place = id !== undefined && this.places.get(id);
    if (!place) return;
    const wasConnected = place.connected === client;
    if (wasConnected) {
      place.connected = null;
      place.left = place.entering.size > 0 ? 'taken_over' : why;
    }
    if (place.entering.delete(client) || wasConnected) this.settle(id, 'connected');
  }

  /** The first client has begun to listen for the device. */
  listenedFor(deviceId: string): void {
    this.placeOf(deviceId).listenedFor = true;
    this.settle(deviceId, 'listening');
  }

  /** The last client that listened for the device does so no more. */
  unheard(deviceId: string, why: DepartureReason): void {
    const place = this.places.get(deviceId);
    if (!place) return;
    place.listenedFor = false;
    if (place.connected === null && place.entering.size === 0) place.left = why;
    this.settle(deviceId, 'listening');
  }

  private placeOf(id: string): Place {
    let place = this.places.get(id);
    if (!place) {
      place = { entering: new Set(), connected: null, listenedFor: false, arrival: null, left: 'connection_lost' };
      this.places.set(id, place);
    }
    return place;
  }

  private settle(id: string, reason: ArrivalReason): void {
    const place = this.places.get(id)!;
    const { connected, listenedFor, entering, arrival } = place;
    const isThere = connected !== null || listenedFor || (arrival !== null && entering.size > 0);
    if (!isThere && entering.size === 0) this.places.delete(id);
    const at = Date.now();
    if (isThere && arrival === null) {
      place.arrival = { reason, since: at };
      this.tell({ deviceId: id, arrival: place.arrival, left: null, at });
    } else if (!isThere && arrival !== null) {
      place.arrival = null;
      this.tell({ deviceId: id, arrival, left: place.left, at });
    }
  }

  private tell(change: AttendanceChange): void {
    if (!this.stopped) for (const listener of this.listeners) listener(change);
  }
}
