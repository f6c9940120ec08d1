import { readFileSync } from 'node:fs';

const ESTABLISHED = '01';
const KEEPALIVE = '02';
const TICKS_PER_SECOND = 100;

/**
 * The seconds until the kernel asks after the peer of each open connection to a port of 127.0.0.1 (proc(5), /proc/net/tcp); null
 * while one of them has another timer, as with bytes on their way.
 */
export function keepaliveTimers(port: number): readonly number[] | null {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const open = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, address, , state]) => address === local && state === ESTABLISHED)
    .map((fields) => fields[5]!.split(':'));
  if (open.some(([kind]) => kind !== KEEPALIVE)) return null;
  return open.map(([, ticks]) => Number.parseInt(ticks!, 16) / TICKS_PER_SECOND);
}
