import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { Rig } from './support/rig.js';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig.close());

it('A command goes out again only after its device has shown life since, where nobody tells that it is there', async () => {
  const device = await rig.device(rig.name(), { listens: false, acknowledges: false });
  await device.listen();
  await device.say('telemetry', { level: 1 });
  const id = await rig.create(device.id);
  await device.gets(id);
  const rowOf = () =>
    rig.signalbox.database.point
      .selectFrom('commands')
      .select(['due_at', 'next_attempt_at', 'last_attempt_at'])
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
  await eventually(
    'it was due, and put off',
    async () => {
      const { due_at: due, next_attempt_at: next } = await rowOf();
      return due! > next! && Date.now() > next!;
    },
    15_000,
  );
  await device.ping();
  expect(device.commands).toHaveLength(1);

  await device.say('telemetry', { level: 2 });
  expect(await device.gets(id, 2, 15_000)).toMatchObject({ id, attempt: 2 });
}, 45_000);
