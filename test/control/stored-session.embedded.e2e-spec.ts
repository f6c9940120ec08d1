import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ANYONE } from '../../src/common/access.js';
import { RawClient } from '../mqtt/support/raw-client.js';
import { eventually } from '../support/eventually.js';
import { Rig } from './support/rig.js';

let rig: Rig;
let clients: RawClient[];
beforeEach(async () => {
  rig = await Rig.start();
  clients = [];
});
afterEach(async () => {
  for (const client of clients) client.socket.destroy();
  await rig.close();
});

/** A device with a stored session that acknowledges nothing. */
async function connect(id: string): Promise<RawClient> {
  const client = await RawClient.connect(rig.signalbox.mqttPort, id, { clean: false });
  clients.push(client);
  await client.subscribe(1, `devices/${id}/down/#`);
  return client;
}

const commandsTo = (client: RawClient) =>
  client
    .of('publish')
    .filter(({ topic }) => /\/commands\/[^/]+$/.test(topic))
    .map(({ payload }) => JSON.parse(payload.toString()) as { id: string; attempt: number });

describe('A device with a stored session that comes back without having acknowledged its command', () => {
  const ends = {
    expired: async (id: string) => {
      await rig.status(id, 'EXPIRED');
    },
    'asked to be cancelled': async (id: string) => {
      await rig.control.cancel(id, ANYONE);
    },
    superseded: async (_: string, deviceId: string) => {
      await rig.create(deviceId, { coalesceKey: 'k', order: 'fifo' });
    },
  };

  it.each(Object.entries(ends))('does not get it once it is %s', async (_, end) => {
    const deviceId = rig.name();
    const first = await connect(deviceId);
    const id = await rig.create(deviceId, { ttlMs: 1_000, coalesceKey: 'k' });
    await eventually('it came', () => commandsTo(first).length === 1);
    first.socket.destroy();
    await end(id, deviceId);
    const back = await connect(deviceId);
    await back.ping();
    expect(commandsTo(back).filter((command) => command.id === id)).toEqual([]);
  });

  it('gets it as the next attempt, once, while it may have it', async () => {
    const deviceId = rig.name();
    const first = await connect(deviceId);
    const id = await rig.create(deviceId);
    await eventually('it came', () => commandsTo(first).length === 1);
    first.socket.destroy();
    const back = await connect(deviceId);
    await eventually('it came again', () => commandsTo(back).length > 0);
    await back.ping();
    expect(commandsTo(back)).toMatchObject([{ id, attempt: 2 }]);
  });
});
