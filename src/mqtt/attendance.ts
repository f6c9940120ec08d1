/** How a device came, as far as the broker sees: a connection under its id, or a subscription of another client to its commands. */
export type ArrivalReason = 'connected' | 'listening';

/**
 * How a connection ended. `disconnected`: by the client's DISCONNECT; `connection_lost`: without; `keepalive_timeout`: it was silent for
 * one and a half times its keepalive; `taken_over`: by another under the same id; `kicked`: by us. `unsubscribed`: it goes on, but
 * listens to the commands of the device no more.
 */
export type DepartureReason =
  'disconnected' | 'connection_lost' | 'keepalive_timeout' | 'taken_over' | 'kicked' | 'unsubscribed';

/** The broker knows that a device is there. `since`: epoch milliseconds, through all connections that took over from each other. */
export interface Attendance {
  readonly reason: ArrivalReason;
  readonly since: number;
}

/** A device came (`left` is null) or went, at `at` in epoch milliseconds. `deviceId` is what a client calls itself or listens for: there may be no such device. */
export interface AttendanceChange {
  readonly deviceId: string;
  readonly arrival: Attendance;
  readonly left: DepartureReason | null;
  readonly at: number;
}
