import type { Duplex } from 'node:stream';
import type { DepartureReason } from '../attendance.js';
import type { AedesClient } from './aedes-client.js';
import { KeepaliveTimeout } from './keepalive.js';

/** Why a connection ended, once its guard is closed: the first that was seen of it. `socket`: what the guard stands in front of. */
export function endOf({ _disconnected }: AedesClient, guard: Duplex, socket: Duplex): DepartureReason {
  if (_disconnected) return 'disconnected';
  if (socket.readableEnded || socket.errored) return 'connection_lost';
  return guard.errored instanceof KeepaliveTimeout ? 'keepalive_timeout' : 'kicked';
}
