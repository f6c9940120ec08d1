import { Lockout } from '../../common/lockout.js';
import { networkOf } from '../../common/network-address.js';

/** 15 take-overs or abnormal ends in a minute lock the pair of client id and address for 5 min. */
const RULE = { events: 15, withinMs: 60_000, lockMs: 300_000, capacity: 65_536 };

/** Which clients come and go too often. A pair is locked for coming back, not for staying: of two that fight over an id, one stays. */
export class Flapping {
  private readonly lockout = new Lockout(RULE);

  isLocked(clientId: string, ip: string): boolean {
    return this.lockout.isLocked(keyOf(clientId, ip));
  }

  /** A client took its id over from another, or ended without a DISCONNECT. True where that locks it. */
  note(clientId: string, ip: string): boolean {
    return this.lockout.note(keyOf(clientId, ip));
  }
}

function keyOf(clientId: string, ip: string): string {
  return `${networkOf(ip)} ${clientId}`;
}
