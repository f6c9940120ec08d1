import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ANYONE } from '../../src/common/access.js';
import { COMMAND_DEFAULTS } from '../../src/control/command.js';
import { eventually } from '../support/eventually.js';
import { Rig } from './support/rig.js';
import type { RawDevice } from './support/raw-device.js';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig.close());

describe('up/commands/get', () => {
  const counts = (device: RawDevice) => device.messages('acks').map(({ payload }) => JSON.parse(payload) as unknown);

  /** As if the commands had gone out some seconds ago. */
  const letTimePass = async (ids: readonly string[]): Promise<void> => {
    const { database } = rig.signalbox;
    const earlier = { last_attempt_at: Date.now() - 3_000 };
    await database.write([database.sql.updateTable('commands').set(earlier).where('id', 'in', ids).compile()]);
  };

  it('is answered by what is pending, oldest first, and their number', async () => {
    const device = await rig.device(rig.name(), { acknowledges: false });
    const ids: string[] = [];
    for (const _ of [1, 2, 3]) ids.push(await rig.create(device.id));
    for (const id of ids) await device.gets(id);
    for (const id of ids) await rig.status(id, 'SENT');
    await letTimePass(ids);
    await device.say('commands/get', {});
    await eventually('the number', () => counts(device).length > 0);
    expect(counts(device)).toEqual([{ commands: 3 }]);
    const ofAttempt = (wanted: number) =>
      device.commands.filter(({ attempt }) => attempt === wanted).map(({ id }) => id);
    // Without fifo each goes out as soon as it is committed.
    expect(ofAttempt(1).toSorted()).toEqual(ids.toSorted());
    expect(ofAttempt(2)).toEqual(ids);
    expect(device.commands).toHaveLength(6);
  });

  it('counts what went out a moment ago, which a device that asks right after it has subscribed does not get twice', async () => {
    const device = await rig.device(rig.name(), { acknowledges: false });
    const ids = [await rig.create(device.id), await rig.create(device.id)];
    for (const id of ids) await device.gets(id);
    await device.say('commands/get', {});
    await eventually('the number', () => counts(device).length > 0);
    expect(counts(device)).toEqual([{ commands: 2 }]);
    expect(device.commands).toHaveLength(2);
  });

  it('is answered by as many as it asks for', async () => {
    const device = await rig.device(rig.name(), { acknowledges: false });
    const ids: string[] = [];
    for (let i = 0; i < 7; i++) ids.push(await rig.create(device.id));
    for (const id of ids) await rig.status(id, 'SENT');
    await letTimePass(ids);
    await device.say('commands/get', { max: 5 });
    await eventually('the number', () => counts(device).length > 0);
    expect(counts(device)).toEqual([{ commands: 5 }]);
    expect(device.commands.filter(({ attempt }) => attempt === 2).map(({ id }) => id)).toEqual(ids.slice(0, 5));
  });

  it('is answered with 0 where nothing is pending, and where all is answered', async () => {
    const device = await rig.device(rig.name());
    await device.say('commands/get', {});
    await eventually('the number', () => counts(device).length === 1);
    const id = await rig.create(device.id);
    await device.gets(id);
    await device.answer(id, 'accepted');
    await device.say('commands/get', { max: 1 });
    await eventually('the number', () => counts(device).length === 2);
    expect(counts(device)).toEqual([{ commands: 0 }, { commands: 0 }]);
    expect(device.commands).toHaveLength(1);
  });

  it.each(['', '5', '[]', '{"max": 0}', '{"max": 1.5}', '{"max": "5"}', '{"max": -1}'])(
    'is a bad answer where it says %s',
    async (payload) => {
      const device = await rig.device(rig.name());
      await device.say('commands/get', payload);
      expect(await rig.rejects(device.id)).toEqual([expect.objectContaining({ code: 'BAD_ANSWER' })]);
      await device.ping();
      expect(counts(device)).toEqual([]);
    },
  );

  it('makes a device native that was never seen, so that its next command comes on its own topic', async () => {
    const device = await rig.device(rig.name(), { listens: false });
    await device.listen();
    await device.say('commands/get', {});
    await eventually('the number', () => counts(device).length === 1);
    const request = { ...COMMAND_DEFAULTS, deviceId: device.id, type: 'X' };
    const { command } = await rig.control.send(request, { caller: ANYONE, unseen: 'foreign' });
    expect(command.link).toBe('native');
    await device.gets(command.id);
  });
});
