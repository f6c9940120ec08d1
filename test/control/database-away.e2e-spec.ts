import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { MqttLink } from '../../src/mqtt/link.js';
import { eventually } from '../support/eventually.js';
import { get } from '../support/http.js';
import { type Postgres, query, startPostgres } from '../support/postgres.js';
import { describeWith } from '../support/services.js';
import { Rig } from './support/rig.js';

describeWith(['postgres'], 'a command that waits for its device', () => {
  let postgres: Postgres;
  let url: string;
  let rig: Rig;
  beforeAll(async () => {
    postgres = await startPostgres();
    // With the embedded broker, where nothing but its subscription tells that a device is there.
    url = await postgres.createDatabase();
    rig = await Rig.start({ DATABASE_URL: url, MQTT_URL: '' });
  }, 60_000);
  afterAll(async () => {
    await rig?.close();
    await postgres?.remove();
  }, 60_000);

  it('is sent once the database is back, where the device began to listen while that was away', async () => {
    const id = rig.name();
    const command = await rig.create(id, { ttlMs: 600_000 });
    const { database } = rig.signalbox;
    const dueAt = async () =>
      (await database.point.selectFrom('commands').select('due_at').where('id', '=', command).executeTakeFirst())
        ?.due_at;
    // From here on only the device itself can bring it on.
    await eventually('nobody looks at it before its end', async () => (await dueAt())! > Date.now() + 500_000);
    // Nor is it held up by one that the database refuses to change, and that is due at every look.
    const poison = await rig.create(rig.name(), { ttlMs: 1_000 });
    await query(
      url,
      `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'bad luck'; end $$;
       create trigger refuse before update on commands for each row when (old.id = '${poison}') execute function refuse()`,
    );
    await postgres.stop('SIGQUIT');
    const device = await rig.device(id);
    await eventually('the device listens', () => rig.signalbox.app.get(MqttLink).listeners?.has(id));
    await eventually('the database is known to be away', async () => {
      return (await get(`${rig.signalbox.httpUrl}/readyz`)).status === 503;
    });
    await postgres.start();
    await eventually('it is sent', () => device.commands.length > 0, 20_000);
    await rig.status(command, 'DELIVERED');
    expect(device.commands.map(({ attempt }) => attempt)).toEqual([1]);
    expect((await rig.read(poison)).status).toBe('PENDING');
  }, 60_000);
});
