import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hasExternalBroker } from '../support/backends.js';
import { eventually } from '../support/eventually.js';
import { Rig } from './support/rig.js';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig.close());

const noticesOf = (device: { readonly notices: readonly string[] }, id: string) =>
  device.notices.filter((notice) => notice === id).length;

describe('The notice that a command is no longer wanted', () => {
  it('comes on its own topic, is {}, and comes again when the cancel is repeated', async () => {
    const device = await rig.device(rig.name());
    const id = await rig.create(device.id);
    await device.gets(id);
    const first = await rig.cancel(id);
    await eventually('the notice', () => noticesOf(device, id) === 1);
    const topic = `devices/${device.id}/down/commands/${id}/cancel`;
    expect(device.messages('commands/').at(-1)).toEqual({ topic, payload: '{}' });
    const again = await rig.cancel(id);
    expect([first.status, again.status]).toEqual([202, 202]);
    expect(again.body.cancelRequestedAt).toBe(first.body.cancelRequestedAt);
    await eventually('the second notice', () => noticesOf(device, id) === 2);
    await device.answer(id, 'cancelled', { code: 'STOPPED' });
    expect(await rig.read(id)).toMatchObject({
      status: 'CANCELLED',
      outcome: 'not_executed',
      error: { code: 'STOPPED' },
    });
    expect(await rig.cancel(id)).toMatchObject({ status: 409, body: { code: 'COMMAND_FINAL' } });
    await device.ping();
    expect(noticesOf(device, id)).toBe(2);
  });

  it('comes instead of the command when the device is back, until it has ended', async () => {
    const device = await rig.device(rig.name(), { acknowledges: false });
    const id = await rig.create(device.id);
    await device.gets(id);
    if (hasExternalBroker) await device.say('status', { online: false }, true);
    device.end();
    expect((await rig.cancel(id)).status).toBe(202);
    const back = await rig.device(device.id);
    await eventually('the notice', () => noticesOf(back, id) > 0);
    await back.say('commands/get', {});
    await eventually('the number', () => back.messages('acks').length > 0);
    expect(back.messages('acks').map(({ payload }) => payload)).toEqual(['{"commands":0}']);
    expect(back.commands).toEqual([]);
    await back.answer(id, 'succeeded');
    expect(await rig.read(id)).toMatchObject({ status: 'SUCCEEDED', cancelRequestedAt: expect.any(String) });
    back.end();
    const last = await rig.device(device.id);
    const next = await rig.create(device.id);
    await last.gets(next);
    expect(noticesOf(last, id)).toBe(0);
  });

  it('does not hold the end up that time brings', async () => {
    const device = await rig.device(rig.name());
    const id = await rig.create(device.id, { ttlMs: 1_000 });
    await device.gets(id);
    await rig.cancel(id);
    expect(await rig.final(id)).toMatchObject({ status: 'EXPIRED', outcome: 'unknown', attempts: 1 });
    await device.answer(id, 'cancelled');
    expect(await rig.read(id)).toMatchObject({
      status: 'EXPIRED',
      outcome: 'not_executed',
      lateResult: { status: 'cancelled' },
    });
  });

  it('leaves a command that has begun to the word of the device, or to its deadline', async () => {
    const device = await rig.device(rig.name());
    const id = await rig.create(device.id, { resultTimeoutMs: 1_000 });
    await device.gets(id);
    await device.answer(id, 'accepted');
    expect(await rig.cancel(id)).toMatchObject({ status: 202, body: { status: 'ACKED', outcome: 'started' } });
    await eventually('the notice', () => noticesOf(device, id) === 1);
    expect(await rig.final(id)).toMatchObject({ status: 'TIMED_OUT', outcome: 'unknown' });
  });

  it('is never sent for a command that was never sent', async () => {
    const deviceId = await rig.offlineDevice();
    const id = await rig.create(deviceId);
    expect(await rig.cancel(id)).toMatchObject({ status: 200, body: { status: 'CANCELLED', attempts: 0 } });
    const device = await rig.device(deviceId);
    await device.say('commands/get', {});
    await eventually('the number', () => device.messages('acks').length > 0);
    expect(device.messages('commands/')).toEqual([]);
  });
});
