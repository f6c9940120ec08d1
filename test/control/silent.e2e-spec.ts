import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { publishPacket, RawClient } from '../mqtt/support/raw-client.js';
import { eventually } from '../support/eventually.js';
import { describeWith, type Mosquitto, startMosquitto } from '../support/services.js';
import { Rig } from './support/rig.js';

describeWith(['mosquitto'], 'a command to a device that stays silent', () => {
  let mosquitto: Mosquitto;
  let rig: Rig;
  beforeAll(async () => {
    mosquitto = await startMosquitto();
    rig = await Rig.start({ MQTT_URL: mosquitto.url });
  });
  afterAll(async () => {
    await rig?.close();
    await mosquitto?.stop();
  });

  it.each([
    [10_000, 5_000],
    [120_000, 30_000],
    [3_600_000, 60_000],
  ])('whose next attempt was due %i ms ago is looked at again in %i ms', async (overdue, again) => {
    const { database } = rig.signalbox;
    const id = await rig.create(rig.name(), { ttlMs: 86_400_000 });
    await rig.status(id, 'SENT');
    const now = Date.now();
    const changes = { next_attempt_at: now - overdue, due_at: now };
    await database.write([database.sql.updateTable('commands').set(changes).where('id', '=', id).compile()]);
    const parked = await eventually('it was looked at', async () => {
      const find = database.point.selectFrom('commands').select('due_at').where('id', '=', id);
      const { due_at: due } = await find.executeTakeFirstOrThrow();
      return due! > now && due!;
    });
    const waits = parked - now;
    expect(waits).toBeGreaterThanOrEqual(again);
    // A look comes within a second, and until then it is overdue a little longer.
    expect(waits).toBeLessThan(again + 4_000);
    expect((await rig.read(id)).attempts).toBe(1);
  });

  it('goes out again when the device asks for it, where it may have reached nobody a moment ago', async () => {
    const device = await RawClient.connect(mosquitto.port, 'sleepy');
    const id = await rig.create('sleepy');
    await rig.status(id, 'SENT');
    await device.subscribe(1, 'devices/sleepy/down/#');
    device.send(publishPacket('devices/sleepy/up/commands/get', '{}', 1, 2));
    await device.next('publish', 2);
    const told = device
      .of('publish')
      .map(({ topic, payload }) => [topic.split('/')[3], JSON.parse(payload.toString())]);
    expect(told).toEqual([
      ['commands', expect.objectContaining({ id, attempt: 2 })],
      ['acks', { commands: 1 }],
    ]);
    device.end();
  });
});
