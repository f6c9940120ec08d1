import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ANYONE } from '../../src/common/access.js';
import { COMMAND_DEFAULTS } from '../../src/control/command.js';
import { MqttPublisher } from '../../src/mqtt/publisher.js';
import { RawClient } from '../mqtt/support/raw-client.js';
import { hasExternalBroker } from '../support/backends.js';
import { eventually } from '../support/eventually.js';
import { path, Rig } from './support/rig.js';
import type { RawDevice } from './support/raw-device.js';

let rig: Rig;
/** Sees all that goes to whichever device; it listens for none of them. */
let watcher: RawClient;
beforeAll(async () => {
  rig = await Rig.start();
  watcher = await RawClient.connect(rig.signalbox.mqttPort, 'watcher');
  await watcher.subscribe(1, 'devices/+/down/#');
});
afterAll(async () => {
  watcher.end();
  await rig.close();
});

const attemptsOf = (device: RawDevice, id: string) =>
  device.commands.filter((command) => command.id === id).map(({ attempt }) => attempt);

/** Resolves at this many milliseconds after `start`, or at once. */
const at = (start: number, ms: number) =>
  new Promise<void>((resolve) => {
    setTimeout(resolve, Math.max(0, start + ms - Date.now()));
  });

describe('A command to a device that is offline', () => {
  it('waits, goes out when the device listens, and is executed once', async () => {
    const deviceId = await rig.offlineDevice();
    const id = await rig.create(deviceId);
    expect(await rig.read(id)).toMatchObject({ status: 'PENDING', attempts: 0, outcome: 'not_executed', final: false });
    const device = await rig.device(deviceId);
    const wire = await device.gets(id);
    const { expiresAt } = await rig.read(id);
    expect(wire).toMatchObject({ id, type: 'TEST', params: {}, attempt: 1, expiresAt });
    expect(wire.ttlMs).toBeLessThan(60_000);
    await device.answer(id, 'succeeded');
    expect(await rig.read(id)).toMatchObject({ status: 'SUCCEEDED', attempts: 1 });
    device.end();
    const again = await rig.device(deviceId);
    await again.say('commands/get', {});
    await eventually('the number', () => again.messages('acks').length > 0);
    expect(again.commands).toEqual([]);
  });

  it('that has no time left expires, and is never on the wire', async () => {
    const deviceId = await rig.offlineDevice();
    const id = await rig.create(deviceId, { ttlMs: 1_000 });
    const command = await rig.final(id);
    expect(command).toMatchObject({ status: 'EXPIRED', attempts: 0, outcome: 'not_executed', error: null });
    expect(Date.parse(command.history.at(-1)!.at)).toBeGreaterThanOrEqual(Date.parse(command.expiresAt));
    expect(path(command)).toEqual(['PENDING', 'EXPIRED']);
    const device = await rig.device(deviceId);
    await device.say('commands/get', {});
    await eventually('the number', () => device.messages('acks').length > 0);
    expect(device.commands).toEqual([]);
    await watcher.ping();
    expect(watcher.of('publish').filter(({ topic }) => topic.includes(id))).toEqual([]);
  });

  it('expires where its device comes in the moment in which its time is over, or goes out before that', async () => {
    await Promise.all(
      Array.from({ length: 30 }, async (_, i) => {
        const deviceId = await rig.offlineDevice();
        const id = await rig.create(deviceId, { ttlMs: 1_500 });
        const device = await rig.device(deviceId, { listens: false });
        const { expiresAt } = await rig.read(id);
        await at(Date.parse(expiresAt), i * 2 - 40);
        await device.listen();
        if (hasExternalBroker) await device.say('status', { online: true }, true);
        const command = await rig.final(id);
        await device.ping();
        expect(command.status).toBe('EXPIRED');
        expect(attemptsOf(device, id).length).toBeLessThanOrEqual(command.attempts);
        expect(command.outcome).toBe(command.attempts === 0 ? 'not_executed' : 'unknown');
        if (command.attempts === 0) expect(device.commands).toEqual([]);
      }),
    );
  });

  it('waits for the subscription, although the device said before that it is online', async () => {
    const deviceId = await rig.offlineDevice();
    const id = await rig.create(deviceId);
    const device = await rig.device(deviceId, { listens: false });
    await device.say('status', { online: true, session: 'b1' }, true);
    await at(Date.now(), 300);
    expect(await rig.read(id)).toMatchObject(hasExternalBroker ? { attempts: 1 } : { status: 'PENDING', attempts: 0 });
    await device.listen();
    // A broker elsewhere does not tell of subscriptions: there the first publish finds nobody, and the second follows after 5 s.
    const wire = await device.gets(id);
    expect(wire.attempt).toBe(hasExternalBroker ? 2 : 1);
    await device.answer(id, 'succeeded');
    expect(await rig.read(id)).toMatchObject({ status: 'SUCCEEDED', attempts: wire.attempt });
  });

  it('goes on after a restart, also on a foreign topic where the first send never reached the broker', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'signalbox-offline-'));
    const first = await Rig.start({}, directory);
    const waiting = await first.offlineDevice();
    const id = await first.create(waiting);
    const publisher = first.signalbox.app.get(MqttPublisher);
    const spy = jest.spyOn(publisher, 'publish').mockRejectedValue(new Error('the broker is away'));
    const request = { ...COMMAND_DEFAULTS, deviceId: 'fan', type: 'TURN_ON' };
    const { command: foreign } = await first.control.send(request, { caller: ANYONE, unseen: 'foreign' });
    await first.until(foreign.id, 'it was tried', ({ attempts }) => attempts === 1);
    spy.mockRestore();
    await first.close();

    const second = await Rig.start({}, directory);
    const fan = await RawClient.connect(second.signalbox.mqttPort, 'fan');
    await fan.subscribe(1, 'poc/fan/control');
    const device = await second.device(waiting);
    expect(await device.gets(id)).toMatchObject({ attempt: 1 });
    expect(await second.final(foreign.id)).toMatchObject({ status: 'SENT', attempts: 2, mode: 'none' });
    await eventually('the fan has it', () => fan.of('publish').length > 0);
    fan.end();
    await second.close();
    rmSync(directory, { recursive: true, force: true });
  });
});

describe('A command that was sent', () => {
  it('goes out again after 5 s to a device that is silent and there, with the same id and less time', async () => {
    const device = await rig.device(rig.name(), { acknowledges: false });
    const answering = await rig.device(rig.name());
    // The first is not sent before, and not seen here before it is sent.
    const start = Date.now();
    const [id, answered] = [await rig.create(device.id), await rig.create(answering.id)];
    const first = await device.gets(id);
    await answering.gets(answered);
    await answering.answer(answered, 'accepted');
    const second = await device.gets(id, 2);
    const waited = Date.now() - start;
    expect(waited).toBeGreaterThan(4_900);
    expect(second).toEqual({ ...first, attempt: 2, ttlMs: expect.any(Number) });
    expect(first.ttlMs - second.ttlMs).toBeGreaterThan(4_900);
    await rig.until(id, 'the attempt is counted', ({ attempts, status }) => attempts === 2 && status === 'SENT');
    await device.answer(id, 'succeeded');
    expect(path(await rig.read(id))).toEqual(['PENDING', 'SENT', 'SUCCEEDED']);
    expect(attemptsOf(answering, answered)).toEqual([1]);
  });

  it('does not go out again once the device has acknowledged or answered it, is cancelled, or the device is away', async () => {
    const sent: Record<string, { readonly device: RawDevice; readonly id: string }> = {};
    const start = Date.now();
    for (const name of ['delivered', 'accepted', 'cancelled', 'away']) {
      const device = await rig.device(rig.name(), { acknowledges: name === 'delivered' });
      const id = await rig.create(device.id);
      await device.gets(id);
      sent[name] = { device, id };
    }
    const { delivered, accepted, cancelled, away } = sent as Required<typeof sent>;
    await accepted!.device.answer(accepted!.id, 'accepted');
    expect((await rig.cancel(cancelled!.id)).status).toBe(202);
    if (hasExternalBroker) await away!.device.say('status', { online: false }, true);
    away!.device.end();
    await at(start, 7_000);
    await watcher.ping();
    const publishes = (id: string) => watcher.of('publish').filter(({ topic }) => topic.endsWith(`/${id}`)).length;
    expect([accepted!, cancelled!, away!].map(({ id }) => publishes(id))).toEqual([1, 1, 1]);
    // Where the broker does not tell of the PUBACK, it is silence.
    expect(publishes(delivered!.id)).toBe(hasExternalBroker ? 2 : 1);
    expect((await rig.read(delivered!.id)).status).toBe(hasExternalBroker ? 'SENT' : 'DELIVERED');

    // At once when it is back.
    const back = await rig.device(away!.device.id);
    await back.gets(away!.id, 1, 1_000);
    expect(attemptsOf(back, away!.id)).toEqual([2]);
  });

  it.each([
    ['without a word', false, [1, 2, 3]],
    ['after a PUBACK', true, hasExternalBroker ? [1, 2, 3] : [1]],
  ])('reaches a device that reboots over it %s at most maxAttempts times', async (_, acknowledges, expected) => {
    const deviceId = await rig.offlineDevice();
    const id = await rig.create(deviceId, { type: 'REBOOT', maxAttempts: 3, ttlMs: 3_000 });
    const seen: number[] = [];
    for (let boot = 0; boot < 6; boot++) {
      const device = await rig.device(deviceId, { acknowledges });
      if (seen.length < expected.length) await device.gets(id);
      if (acknowledges && !hasExternalBroker) await rig.status(id, 'DELIVERED');
      await device.ping();
      seen.push(...attemptsOf(device, id));
      device.end();
    }
    expect(seen).toEqual(expected);
    expect(await rig.final(id)).toMatchObject({
      status: 'EXPIRED',
      attempts: expected.length,
      outcome: 'unknown',
      error: { code: 'NO_ANSWER' },
    });
  });
});
