import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandWaiter } from '../../src/control/command.waiter.js';
import { eventually } from '../support/eventually.js';
import { get } from '../support/http.js';
import { type CommandBody, Rig } from './support/rig.js';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start({ MQTT_DEVICE_RATE: '0' });
});
afterAll(() => rig.close());

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

describe('Who waits for a command', () => {
  it('hears of its end at once, whenever he began to wait, 60 times', async () => {
    const device = await rig.device(rig.name());
    const waiter = rig.signalbox.app.get(CommandWaiter);
    const late: number[] = [];
    for (let round = 0; round < 60; round++) {
      const id = await rig.create(device.id);
      await device.gets(id);
      const url = `${rig.signalbox.httpUrl}/v1/commands/${id}?wait=20`;
      const waits = ['final', 'acked', 'final'].map(async (until, i) => {
        await pause((round + i) % 6);
        const { body } = await get<CommandBody>(`${url}&until=${until}`);
        return { status: body.status, at: performance.now() };
      });
      await pause(round % 5);
      await device.sayAtOnce([`commands/${id}`, { status: 'accepted' }]);
      await device.sayAtOnce([`commands/${id}`, { status: 'succeeded' }]);
      const end = performance.now();
      const [final, acked, other] = await Promise.all(waits);
      expect([final!.status, other!.status]).toEqual(['SUCCEEDED', 'SUCCEEDED']);
      expect(['ACKED', 'SUCCEEDED']).toContain(acked!.status);
      late.push(Math.max(final!.at, acked!.at, other!.at) - end);
    }
    // The look that makes up for lost news comes after 5 s.
    expect(Math.max(...late)).toBeLessThan(2_500);
    await eventually('nobody waits any more', () => waiter.count === 0);
  });

  it('hears of an end that time brings', async () => {
    const device = await rig.device(rig.name());
    const id = await rig.create(device.id, { ttlMs: 1_000 });
    const { body } = await get<CommandBody>(`${rig.signalbox.httpUrl}/v1/commands/${id}?wait=20`);
    expect(body.status).toBe('EXPIRED');
    expect(Date.now() - Date.parse(body.expiresAt)).toBeLessThan(2_500);
  });
});
