import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { CommandJournal } from '../../src/control/command.journal.js';
import { CommandRepository } from '../../src/control/command.repository.js';
import { CommandSender } from '../../src/control/command.sender.js';
import { MqttPublisher } from '../../src/mqtt/publisher.js';
import { hasExternalBroker } from '../support/backends.js';
import { eventually } from '../support/eventually.js';
import { remove } from '../support/http.js';
import { DELIVERED, path, Rig } from './support/rig.js';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig.close());

/** Ids in the order in which the device got them. */
const idsOf = (commands: readonly { readonly id: string }[]) => commands.map(({ id }) => id);

/** Watches every publish of a command: its id, in order. */
function watchPublishes() {
  const publisher = rig.signalbox.app.get(MqttPublisher);
  const publish = publisher.publish.bind(publisher);
  const ids: string[] = [];
  const spy = jest.spyOn(publisher, 'publish').mockImplementation(async (message) => {
    const id = /\/down\/commands\/([^/]+)$/.exec(message.topic)?.[1];
    if (id !== undefined) ids.push(id);
    await publish(message);
  });
  return { ids, end: () => spy.mockRestore() };
}

describe('A newer command with the same coalesceKey', () => {
  it('cancels an older one that was never sent', async () => {
    const deviceId = await rig.offlineDevice();
    const older = await rig.create(deviceId, { coalesceKey: 'target' });
    const another = await rig.create(deviceId, { coalesceKey: 'other' });
    const none = await rig.create(deviceId);
    const newer = await rig.create(deviceId, { coalesceKey: 'target' });
    expect(await rig.read(older)).toMatchObject({
      status: 'CANCELLED',
      outcome: 'not_executed',
      attempts: 0,
      error: { code: 'SUPERSEDED' },
    });
    const device = await rig.device(deviceId);
    for (const id of [another, none, newer]) await device.gets(id);
    expect(idsOf(device.commands)).not.toContain(older);
  });

  it('stops the resending of one that was sent, which stays what it is and may still be answered', async () => {
    const device = await rig.device(rig.name(), { acknowledges: false });
    const older = await rig.create(device.id, { coalesceKey: 'k' });
    await device.gets(older);
    await rig.status(older, 'SENT');
    const newer = await rig.create(device.id, { coalesceKey: 'k' });
    await device.gets(newer);
    expect(await rig.read(older)).toMatchObject({ status: 'SENT', final: false, attempts: 1 });
    device.end();
    const again = await rig.device(device.id);
    await again.gets(newer);
    await again.say('commands/get', {});
    await eventually('the number', () => again.messages('acks').length > 0);
    expect(idsOf(again.commands)).not.toContain(older);
    await again.answer(older, 'succeeded');
    expect(await rig.read(older)).toMatchObject({ status: 'SUCCEEDED', attempts: 1 });
  });

  it('is never followed by a send of the older one once its own create was answered, 60 times', async () => {
    const journal = rig.signalbox.app.get(CommandJournal);
    const sender = rig.signalbox.app.get(CommandSender);
    const commands = rig.signalbox.app.get(CommandRepository);
    for (let round = 0; round < 60; round++) {
      const deviceId = await rig.offlineDevice();
      const older = await rig.create(deviceId, { coalesceKey: 'k' });
      const publishes = watchPublishes();
      const device = await rig.device(deviceId, { listens: false });
      const known = (await commands.find(older))!;
      // Looks at the older one, a send of it, and its successor, all at once and in some order.
      const begun = device.listen();
      const sending = sender.send(known);
      for (let i = 0; i < round % 4; i++) void journal.enter(older, () => null);
      const newer = await rig.create(deviceId, { coalesceKey: 'k' });
      const answered = publishes.ids.length;
      await Promise.all([begun, sending]);
      if (hasExternalBroker) await device.say('status', { online: true }, true);
      await device.gets(newer);
      expect(publishes.ids.slice(answered)).not.toContain(older);
      publishes.end();
      const { attempts, status } = await rig.read(older);
      expect(publishes.ids.filter((id) => id === older)).toHaveLength(attempts);
      if (attempts === 0) expect(status).toBe('CANCELLED');
      device.end();
    }
  });

  it('leaves one of them, whoever asks at the same moment', async () => {
    const deviceId = await rig.offlineDevice();
    const ids = await Promise.all(Array.from({ length: 20 }, () => rig.create(deviceId, { coalesceKey: 'k' })));
    const commands = await Promise.all(ids.map((id) => rig.read(id)));
    expect(commands.filter(({ final }) => !final)).toHaveLength(1);
    expect(commands.filter(({ error }) => error?.code === 'SUPERSEDED')).toHaveLength(19);
  });
});

describe('A fifo queue', () => {
  it('goes out one after the other, in its order, 20 commands', async () => {
    const deviceId = await rig.offlineDevice();
    const ids: string[] = [];
    for (let i = 0; i < 20; i++) ids.push(await rig.create(deviceId, { order: 'fifo' }));
    const device = await rig.device(deviceId, { listens: false });
    const atArrival: string[][] = [];
    const answered: string[] = [];
    device.client.onPacket((packet) => {
      if (packet.cmd !== 'publish') return;
      const id = packet.topic.split('/').at(-1)!;
      atArrival.push([...answered]);
      answered.push(id);
      setImmediate(() => device.shout(`commands/${id}`, { status: ids.indexOf(id) % 2 === 0 ? 'accepted' : 'failed' }));
    });
    await device.listen();
    if (hasExternalBroker) await device.say('status', { online: true }, true);
    await eventually('all of them are there', () => device.commands.length >= 20);
    expect(idsOf(device.commands)).toEqual(ids);
    // Each came after the answer to the one before.
    expect(atArrival.map((before) => before.length)).toEqual(ids.map((_, i) => i));
    for (const [i, id] of ids.entries()) await rig.status(id, i % 2 === 0 ? 'ACKED' : 'FAILED');
  });

  it('lets parallel commands pass', async () => {
    const device = await rig.device(rig.name());
    const head = await rig.create(device.id, { order: 'fifo' });
    const behind = await rig.create(device.id, { order: 'fifo' });
    const parallel = await rig.create(device.id);
    await device.gets(parallel);
    await rig.until(head, 'the publish is recorded', ({ status }) => status === (DELIVERED[0] ?? 'SENT'));
    expect(idsOf(device.commands)).toEqual([head, parallel]);
    await device.answer(head, 'succeeded');
    await device.gets(behind);
  });

  it.each<[string, (head: string, answer: (status: string) => Promise<void>) => Promise<unknown>, number]>([
    ['expires', (head) => rig.status(head, 'EXPIRED'), 1_000],
    ['is accepted', (_, answer) => answer('accepted'), 60_000],
    ['is rejected', (_, answer) => answer('rejected'), 60_000],
    ['fails', (_, answer) => answer('failed'), 60_000],
    ['is cancelled by the device', (_, answer) => answer('cancelled'), 60_000],
  ])('goes on at once when its head %s', async (_, die, ttlMs) => {
    const device = await rig.device(rig.name());
    const head = await rig.create(device.id, { order: 'fifo', ttlMs });
    const next = await rig.create(device.id, { order: 'fifo' });
    const last = await rig.create(device.id, { order: 'fifo' });
    await device.gets(head);
    expect(await rig.read(next)).toMatchObject({ status: 'PENDING', attempts: 0 });
    await die(head, (status) => device.answer(head, status));
    await device.gets(next, 1, 1_000);
    expect(await rig.read(last)).toMatchObject({ status: 'PENDING', attempts: 0 });
    expect(idsOf(device.commands)).toEqual([head, next]);
  });

  it('goes on at once when its head is cancelled, or superseded, before it was sent', async () => {
    const deviceId = await rig.offlineDevice();
    const first = await rig.create(deviceId, { order: 'fifo' });
    const second = await rig.create(deviceId, { order: 'fifo', coalesceKey: 'k' });
    const third = await rig.create(deviceId, { order: 'fifo' });
    const fourth = await rig.create(deviceId, { order: 'fifo', coalesceKey: 'k' });
    expect(await rig.cancel(first)).toMatchObject({ status: 200, body: { status: 'CANCELLED' } });
    expect(await rig.read(second)).toMatchObject({ status: 'CANCELLED', error: { code: 'SUPERSEDED' } });
    const device = await rig.device(deviceId);
    await device.gets(third);
    await device.answer(third, 'succeeded');
    await device.gets(fourth);
    expect(idsOf(device.commands)).toEqual([third, fourth]);
  });

  it('waits for a head that the device was asked to cancel, until it says what became of it', async () => {
    const device = await rig.device(rig.name());
    const head = await rig.create(device.id, { order: 'fifo' });
    const next = await rig.create(device.id, { order: 'fifo' });
    await device.gets(head);
    expect((await rig.cancel(head)).status).toBe(202);
    await eventually('the notice', () => device.notices.includes(head));
    expect(await rig.read(next)).toMatchObject({ status: 'PENDING', attempts: 0 });
    await device.answer(head, 'cancelled');
    await device.gets(next, 1, 1_000);
  });

  it('of commands that nobody answers goes out one by one as their time is over', async () => {
    const device = await rig.device(rig.name());
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) ids.push(await rig.create(device.id, { order: 'fifo', ttlMs: 1_000 + i * 500 }));
    for (const id of ids) await rig.status(id, 'EXPIRED');
    expect(idsOf(device.commands)).toEqual(ids);
    expect(await Promise.all(ids.map(async (id) => (await rig.read(id)).attempts))).toEqual([1, 1, 1]);
  });
});

describe('The removal of a device', () => {
  const removeDevice = async (id: string) => (await remove(`${rig.signalbox.httpUrl}/v1/devices/${id}`)).status;

  it('cancels what was not sent, and leaves what was sent to its answer, with a notice', async () => {
    const device = await rig.device(rig.name());
    const head = await rig.create(device.id, { order: 'fifo' });
    const behind = await rig.create(device.id, { order: 'fifo' });
    await device.gets(head);
    await rig.until(head, 'the publish is recorded', ({ status }) => status === (DELIVERED[0] ?? 'SENT'));
    expect(await removeDevice(device.id)).toBe(204);
    expect(await rig.read(behind)).toMatchObject({ status: 'CANCELLED', attempts: 0, outcome: 'not_executed' });
    expect(await rig.read(head)).toMatchObject({ final: false, attempts: 1, cancelRequestedAt: expect.any(String) });
    await device.answer(head, 'succeeded');
    expect(await rig.read(head)).toMatchObject({ status: 'SUCCEEDED' });
    await device.ping();
    expect(idsOf(device.commands)).toEqual([head]);
  });

  it('leaves what was sent to its time', async () => {
    const device = await rig.device(rig.name());
    const id = await rig.create(device.id, { ttlMs: 1_000 });
    await device.gets(id);
    expect(await removeDevice(device.id)).toBe(204);
    expect(await rig.final(id)).toMatchObject({ status: 'EXPIRED', outcome: 'unknown' });
  });

  it('against sends, 30 times: what was cancelled never went out, and what went out is not called cancelled', async () => {
    for (let round = 0; round < 30; round++) {
      const deviceId = await rig.offlineDevice();
      const ids: string[] = [];
      for (let i = 0; i < 5; i++) ids.push(await rig.create(deviceId));
      const device = await rig.device(deviceId, { listens: false });
      const [status] = await Promise.all([removeDevice(deviceId), device.listen()]);
      expect(status).toBe(204);
      // What is open now has been or is being sent.
      for (const id of ids) {
        const command = await rig.until(id, 'it is decided', ({ status: now }) => now !== 'PENDING');
        if (command.status === 'CANCELLED') expect(command).toMatchObject({ attempts: 0, outcome: 'not_executed' });
        else expect(command).toMatchObject({ final: false, attempts: 1 });
      }
      await device.ping();
      const sent = new Set(idsOf(device.commands));
      for (const id of ids) expect(path(await rig.read(id)).includes('CANCELLED')).toBe(!sent.has(id));
      device.end();
    }
  });
});
