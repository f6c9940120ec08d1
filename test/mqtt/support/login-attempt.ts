import type { IConnectPacket } from 'mqtt-packet';
import { connectPacket, RawClient } from './raw-client.js';

/** What a CONNECT says besides the client id. */
export type Login = Partial<IConnectPacket>;

export function login(username: string, password: string, more: Login = {}): Login {
  return { username, password: Buffer.from(password), ...more };
}

/** The code of the CONNACK, or null where it was closed without one, and the milliseconds until then. Says goodbye where it was let in. */
export async function attempt(
  port: number,
  id: string,
  options: Login,
  from?: string,
): Promise<readonly [number | null, number]> {
  const client = await RawClient.open(port, from);
  const start = performance.now();
  client.send(connectPacket(id, options));
  const code = await client.connackCode();
  const took = performance.now() - start;
  client.send({ cmd: 'disconnect' });
  await client.closed();
  return [code, took];
}
