import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect } from 'node:net';
import { DeviceService } from '../../src/device/device.service.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { connectPacket, encode, publishPacket, RawClient } from '../mqtt/support/raw-client.js';

let signalbox: TestApp;
beforeAll(async () => {
  signalbox = await createTestApp();
});
afterAll(() => signalbox.close());

/** Devices that are known, and were never seen. */
async function newDevices(name: string, count: number): Promise<string[]> {
  const { database } = signalbox;
  const ids = Array.from({ length: count }, (_, i) => `${name}-${i}`);
  const rows = ids.map((id) => ({ id, link: 'native' as const, created_at: Date.now() }));
  await database.write([database.sql.insertInto('devices').values(rows).compile()]);
  return ids;
}

describe('Many devices', () => {
  it('that come at once are told once each, and whoever else connects does not wait for it', async () => {
    const { database } = signalbox;
    const ids = await newDevices('many', 700);
    const clients = await Promise.all(ids.map((id) => RawClient.connect(signalbox.mqttPort, id)));
    const toldAs = async (state: string) =>
      (
        await database.point
          .selectFrom('events')
          .select('device_id')
          .where('kind', '=', 'presence')
          .where('type', '=', state)
          .where('device_id', 'like', 'many-%')
          .execute()
      ).map(({ device_id }) => device_id);
    await eventually('all are told', async () => (await toldAs('online')).length >= ids.length);
    for (const client of clients) client.end();
    await eventually('all are told', async () => (await toldAs('offline')).length >= ids.length);
    expect((await toldAs('online')).toSorted()).toEqual(ids.toSorted());
    expect((await toldAs('offline')).toSorted()).toEqual(ids.toSorted());
  });
});

describe('Whoever asks while a device goes', () => {
  it('learns with that it is gone also why', async () => {
    const service = signalbox.app.get(DeviceService);
    for (const id of await newDevices('asked', 40)) {
      const client = await RawClient.connect(signalbox.mqttPort, id);
      await eventually('it is there', async () => (await service.presenceOf(id)).state === 'online');
      client.end();
      const answers = await eventually('it is gone', async () => {
        const several = await Promise.all(Array.from({ length: 20 }, () => service.presenceOf(id)));
        return several.some(({ state }) => state !== 'online') && several;
      });
      const told = new Set(answers.map(({ state, reason }) => `${state}: ${reason}`));
      told.delete('online: connected');
      expect([...told]).toEqual(['offline: connection_lost']);
    }
  });
});

describe('A device that comes and goes all the time', () => {
  it('keeps nobody waiting: neither who asks for it, nor the status of another', async () => {
    const service = signalbox.app.get(DeviceService);
    const [flapping, calm] = await newDevices('flapping', 2);
    const over = new AbortController();
    let times = 0;
    const flap = async (): Promise<void> => {
      for (; !over.signal.aborted; times++) {
        const socket = connect(signalbox.mqttPort, '127.0.0.1').on('error', () => {});
        socket.write(encode(connectPacket(flapping!)));
        socket.on('data', () => socket.end(encode({ cmd: 'disconnect' })));
        await once(socket, 'close');
      }
    };
    const lanes = [flap(), flap()];
    try {
      const other = await RawClient.connect(signalbox.mqttPort, calm!);
      for (let n = 1; n <= 30; n++) {
        other.send(publishPacket(`devices/${flapping}/up/status`, '{"online": true}', 1, 2 * n));
        other.send(publishPacket(`devices/${calm}/up/status`, '{"online": true}', 1, 2 * n + 1));
        let answers = 0;
        void service.presencesOf([flapping!, calm!]).then((all) => (answers = all.size));
        await eventually(`answer ${n}`, () => answers === 2, 3_000);
        await other.next('puback', 2 * n, 3_000);
      }
      other.end();
    } finally {
      over.abort();
      await Promise.all(lanes);
    }
    expect(times).toBeGreaterThan(20);
  });
});
