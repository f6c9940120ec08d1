import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { CommandRepository } from '../../src/control/command.repository.js';
import { MqttPublisher } from '../../src/mqtt/publisher.js';
import { eventually } from '../support/eventually.js';
import { Rig } from './support/rig.js';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig.close());
afterEach(() => void jest.restoreAllMocks());

const idsOf = (commands: readonly { readonly id: string }[]) => commands.map(({ id }) => id);

describe('A command whose place a newer one has taken', () => {
  it('never goes out, also where the process ended, or the database went away, before that was entered', async () => {
    const deviceId = await rig.offlineDevice();
    const older = await rig.create(deviceId, { coalesceKey: 'k' });
    // What is behind the commit of the newer one finds nothing to do.
    const commands = rig.signalbox.app.get(CommandRepository);
    const openOf = jest.spyOn(commands, 'openOf').mockResolvedValue([]);
    const newer = await rig.create(deviceId, { coalesceKey: 'k' });
    openOf.mockRestore();
    expect(await rig.read(older)).toMatchObject({ status: 'PENDING' });

    const device = await rig.device(deviceId);
    await device.gets(newer);
    const command = await rig.final(older);
    expect(command).toMatchObject({ status: 'CANCELLED', attempts: 0, error: { code: 'SUPERSEDED' } });
    expect(idsOf(device.commands)).toEqual([newer]);
  });

  it('goes out before the newer one where it is being sent', async () => {
    const device = await rig.device(rig.name());
    const publisher = rig.signalbox.app.get(MqttPublisher);
    const publish = publisher.publish.bind(publisher);
    let release: (() => void) | undefined;
    jest.spyOn(publisher, 'publish').mockImplementationOnce(async (message) => {
      await new Promise<void>((resolve) => (release = resolve));
      await publish(message);
    });
    const older = await rig.create(device.id, { coalesceKey: 'k' });
    const letGo = await eventually('its publish hangs', () => release);
    let isAnswered = false;
    const creating = rig.create(device.id, { coalesceKey: 'k' }).finally(() => (isAnswered = true));
    const isSuperseded = async () => (await rig.signalbox.app.get(CommandRepository).find(older))!.superseded;
    await eventually('its place is taken', isSuperseded);
    await rig.read(older);
    expect(isAnswered).toBe(false);
    letGo();
    const newer = await creating;
    await device.gets(newer);
    expect(idsOf(device.commands)).toEqual([older, newer]);
  });
});
