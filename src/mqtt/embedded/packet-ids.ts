import type { AedesClient } from './aedes-client.js';

const LAST_ID = 65_535;

/**
 * The next packet id of a client that is not taken [MQTT-2.3.1-4]; aedes counts round and round, whatever is still in flight.
 * Some id must be free.
 */
export function takePacketId(client: Pick<AedesClient, '_nextId'>, isTaken: (id: number) => boolean): number {
  let id = client._nextId;
  while (isTaken(id)) id = following(id);
  client._nextId = following(id);
  return id;
}

function following(id: number): number {
  return id >= LAST_ID ? 1 : id + 1;
}
