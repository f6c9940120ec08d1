import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';

/** True for an address or name that only this machine can reach. */
export function isLoopback(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith('127.');
  return host === '::1' || host.toLowerCase() === 'localhost';
}

/** True for what this machine can listen on: one of its addresses, all of them (`0.0.0.0`, `::`), or its own name. */
export function isLocal(host: string): boolean {
  if (isLoopback(host) || host === '0.0.0.0' || host === '::' || host === hostname()) return true;
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === host));
}
