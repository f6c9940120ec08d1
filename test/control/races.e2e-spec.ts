import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ANYONE } from '../../src/common/access.js';
import { CommandJournal } from '../../src/control/command.journal.js';
import { CommandRepository } from '../../src/control/command.repository.js';
import type { ControlService } from '../../src/control/control.service.js';
import { hasExternalBroker } from '../support/backends.js';
import { eventually } from '../support/eventually.js';
import { type CommandBody, DELIVERED, path, Rig } from './support/rig.js';
import type { RawDevice } from './support/raw-device.js';

let rig: Rig;
const inspected: string[] = [];
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig.close());

async function create(...[deviceId, more]: Parameters<Rig['create']>): Promise<string> {
  const id = await rig.create(deviceId, more);
  inspected.push(id);
  return id;
}

/** Whatever a race did, this holds. */
afterEach(async () => {
  for (const id of inspected.splice(0)) {
    const command = await rig.read(id);
    const times = command.history.map(({ at }) => Date.parse(at));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(new Set(path(command)).size).toBe(command.history.length);
    expect(command.history.at(-1)!.status).toBe(command.status);
  }
});

/** A device that has got a command whose publish is recorded. */
async function withCommand(more: Parameters<Rig['create']>[1]): Promise<{ device: RawDevice; id: string }> {
  const device = await rig.device(rig.name());
  const id = await create(device.id, more);
  await device.gets(id);
  await rig.until(id, 'the publish is recorded', ({ status }) => status === (DELIVERED[0] ?? 'SENT'));
  return { device, id };
}

/** Numbers from 0 below 1 that are the same in every run. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

describe('A cancel', () => {
  it('against a send and an answer, 100 times, always ends in what was seen', async () => {
    const device = await rig.device(rig.name());
    const next = numbers(4);
    const outcomes = new Map<string, number>();
    const told = new Set<string>();
    device.client.onPacket((packet) => {
      if (packet.cmd !== 'publish' || packet.topic.endsWith('/cancel')) return;
      const id = packet.topic.split('/').at(-1)!;
      const answer = ['succeeded', 'cancelled', 'rejected'][Math.floor(next() * 3)];
      if (told.has(id)) return;
      told.add(id);
      setTimeout(() => device.shout(`commands/${id}`, { status: answer }), next() * 4);
    });
    for (let round = 0; round < 100; round++) {
      const id = await create(device.id);
      const wait = next() * 8;
      if (wait > 2) await pause(wait - 2);
      const { status, body } = await rig.cancel(id);
      if (status === 200) expect(body).toMatchObject({ status: 'CANCELLED', attempts: 0 });
      else if (status === 202) expect(body).toMatchObject({ attempts: 1, cancelRequestedAt: expect.any(String) });
      else expect([status, body.code]).toEqual([409, 'COMMAND_FINAL']);
      const end = await rig.final(id);
      outcomes.set(end.status, (outcomes.get(end.status) ?? 0) + 1);
      if (end.attempts === 0) {
        expect(end).toMatchObject({ status: 'CANCELLED', outcome: 'not_executed' });
        expect(status).toBe(200);
      } else {
        expect(['SUCCEEDED', 'CANCELLED', 'REJECTED']).toContain(end.status);
        expect(end.history.at(-1)!.by).toBe('device');
      }
    }
    await device.ping();
    for (const id of inspected) {
      const { attempts, status } = await rig.read(id);
      const publishes = device.commands.filter((command) => command.id === id).length;
      expect(publishes).toBeLessThanOrEqual(attempts);
      expect(attempts).toBeLessThanOrEqual(1);
      if (status !== 'CANCELLED') expect(publishes).toBe(1);
      // The notice never overtakes the command.
      const topics = device.messages('commands/').map(({ topic }) => topic);
      const notice = topics.indexOf(`devices/${device.id}/down/commands/${id}/cancel`);
      if (notice >= 0) expect(topics.indexOf(`devices/${device.id}/down/commands/${id}`)).toBeLessThan(notice);
      if (notice >= 0) expect(publishes).toBe(1);
    }
    expect([...outcomes.values()].reduce((a, b) => a + b, 0)).toBe(100);
    expect(outcomes.size).toBeGreaterThan(1);
  });

  it('stored together with the count of the attempt never lets its notice go first', async () => {
    const journal = rig.signalbox.app.get(CommandJournal);
    const commands = rig.signalbox.app.get(CommandRepository);
    const isSuperseded = commands.isSuperseded.bind(commands);
    const cancels: ReturnType<ControlService['cancel']>[] = [];
    // The last thing that a send looks at before it counts the attempt: something else is being entered just then.
    const spy = jest.spyOn(commands, 'isSuperseded').mockImplementation(async (command) => {
      const is = await isSuperseded(command);
      void journal.enter(command.id, () => null);
      setImmediate(() => cancels.push(rig.control.cancel(command.id, ANYONE)));
      return is;
    });
    const device = await rig.device(rig.name());
    for (let round = 0; round < 20; round++) {
      const id = await create(device.id);
      const { attempts } = await eventually('it was cancelled', () => cancels[round]);
      if (attempts > 0) await eventually('the notice', () => device.notices.includes(id));
      const topics = device.messages('commands/').filter(({ topic }) => topic.includes(id));
      expect(topics.map(({ topic }) => topic.endsWith('/cancel'))).toEqual(attempts > 0 ? [false, true] : []);
    }
    spy.mockRestore();
  });
});

describe('An end in time', () => {
  it('of the ttl against the word that it has begun: whichever is first, and only one of them', async () => {
    const device = await rig.device(rig.name());
    const seen = new Set<string>();
    await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const id = await create(device.id, { ttlMs: 1_000, resultTimeoutMs: 60_000 });
        const { expiresAt } = await rig.read(id);
        const at = Date.parse(expiresAt) - 30 + i;
        await pause(at - Date.now());
        await device.answer(id, 'accepted');
        const command = await rig.until(
          id,
          'it is decided',
          ({ status }) => status === 'EXPIRED' || status === 'ACKED',
        );
        seen.add(command.status);
        if (command.status === 'ACKED') {
          expect(command).toMatchObject({ final: false, outcome: 'started', error: null });
          expect(path(command)).not.toContain('EXPIRED');
        } else {
          expect(command).toMatchObject({ outcome: 'unknown', deadlineAt: null, error: { code: 'NO_ANSWER' } });
          expect(path(command)).not.toContain('ACKED');
        }
      }),
    );
    await Promise.all(
      inspected.map(async (id) => {
        const before = await rig.read(id);
        await device.answer(id, 'succeeded', { result: 1 });
        expect(await rig.read(id)).toMatchObject(
          before.final
            ? { status: 'EXPIRED', outcome: 'executed', lateResult: { status: 'succeeded' } }
            : { status: 'SUCCEEDED', outcome: 'executed', lateResult: null },
        );
      }),
    );
    expect(seen.size).toBeGreaterThan(0);
  });

  it('of the wait for a result against the result: whichever is first, and the other is late', async () => {
    const device = await rig.device(rig.name());
    const seen = new Map<string, CommandBody>();
    await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const id = await create(device.id, { resultTimeoutMs: 1_000 });
        await device.gets(id);
        await device.answer(id, 'accepted');
        const { deadlineAt } = await rig.read(id);
        await pause(Date.parse(deadlineAt!) - 30 + i - Date.now());
        await device.answer(id, 'failed', { code: 'JAM' });
        const command = await rig.final(id);
        seen.set(command.status, command);
        expect(command.outcome).toBe('executed_with_error');
        expect(['FAILED', 'TIMED_OUT']).toContain(command.status);
        expect(command.lateResult !== null).toBe(command.status === 'TIMED_OUT');
        expect(path(command).filter((status) => ['FAILED', 'TIMED_OUT'].includes(status))).toEqual([command.status]);
      }),
    );
    expect(seen.size).toBeGreaterThan(0);
  });

  it('is moved by progress, and never by the clock of the device', async () => {
    const { device, id } = await withCommand({ ttlMs: 1_500, resultTimeoutMs: 1_500 });
    const start = Date.now();
    // It believes that it is the year 2000, and says so wherever it can.
    await device.say('telemetry', { ts: '2000-01-02T00:00:00Z', values: { t: 1 } });
    while (Date.now() < start + 2_500) {
      await device.answer(id, 'progress', { progress: 1, ts: 946_684_800_000, at: '2000-01-01T00:00:00Z' });
      expect(await rig.read(id)).toMatchObject({ status: 'ACKED' });
      await pause(200);
    }
    const { deadlineAt } = await rig.read(id);
    expect(Date.parse(deadlineAt!)).toBeGreaterThan(start + 3_500);
    const command = await rig.final(id);
    expect(command.status).toBe('TIMED_OUT');
    expect(Date.parse(command.history.at(-1)!.at)).toBeGreaterThanOrEqual(Date.parse(deadlineAt!));
  });
});

describe('Two finals in one packet chunk', () => {
  it.each([
    ['succeeded', 'failed', 'SUCCEEDED', 'executed'],
    ['failed', 'succeeded', 'FAILED', 'executed_with_error'],
    ['rejected', 'succeeded', 'REJECTED', 'not_executed'],
    ['cancelled', 'succeeded', 'CANCELLED', 'not_executed'],
  ])('%s, %s: the first wins, the other is late', async (first, second, status, outcome) => {
    const { device, id } = await withCommand({});
    await device.sayAtOnce(
      [`commands/${id}`, { status: first, result: 1 }],
      [`commands/${id}`, { status: second, result: 2 }],
    );
    expect(await rig.read(id)).toMatchObject({ status, outcome, result: 1, lateResult: { status: second, result: 2 } });
  });

  it('that say the same are one', async () => {
    const { device, id } = await withCommand({});
    await device.sayAtOnce(
      ...Array.from({ length: 10 }, () => [`commands/${id}`, { status: 'succeeded', result: { a: 1 } }] as const),
    );
    expect(await rig.read(id)).toMatchObject({ status: 'SUCCEEDED', result: { a: 1 }, lateResult: null });
  });

  it('with all that goes before them apply in their order, 30 times', async () => {
    for (let round = 0; round < 30; round++) {
      const { device, id } = await withCommand({});
      await device.sayAtOnce(
        [`commands/${id}`, { status: 'accepted' }],
        [`commands/${id}`, { status: 'progress', progress: 10 }],
        [`commands/${id}`, { status: 'progress', progress: 90 }],
        [`commands/${id}`, { status: 'succeeded', result: round }],
        [`commands/${id}`, { status: 'failed' }],
        [`commands/${id}`, { status: 'rejected' }],
      );
      const command = await rig.read(id);
      expect(command).toMatchObject({
        status: 'SUCCEEDED',
        progress: 90,
        result: round,
        lateResult: { status: 'failed' },
      });
      expect(path(command)).toEqual(['PENDING', 'SENT', ...DELIVERED, 'ACKED', 'SUCCEEDED']);
    }
  });

  it('that come before the broker has told of the publish are not overwritten by that', async () => {
    const device = await rig.device(rig.name(), { acknowledges: false });
    const puback = (messageId: number) => device.client.send({ cmd: 'puback', messageId });
    const id = await create(device.id);
    await device.gets(id);
    await device.answer(id, 'succeeded');
    puback(device.client.of('publish')[0]!.messageId!);
    await device.ping();
    const command = await rig.read(id);
    expect(command.status).toBe('SUCCEEDED');
    expect(path(command)).not.toContain('DELIVERED');
  });
});

describe('DELIVERED', () => {
  it(
    hasExternalBroker ? 'is never said' : 'is said after the PUBACK of the device itself, and not before',
    async () => {
      const device = await rig.device(rig.name(), { acknowledges: false });
      const id = await create(device.id);
      const other = await rig.device(`${device.id}-twin`, { listens: false });
      await other.client.subscribe(1, `devices/${device.id}/down/#`);
      await device.gets(id);
      await rig.status(id, 'SENT');
      await device.ping();
      expect((await rig.read(id)).status).toBe('SENT');
      device.client.send({ cmd: 'puback', messageId: device.client.of('publish').at(-1)!.messageId! });
      await device.ping();
      if (hasExternalBroker) expect((await rig.read(id)).status).toBe('SENT');
      else expect(path(await rig.status(id, 'DELIVERED'))).toEqual(['PENDING', 'SENT', 'DELIVERED']);
    },
  );
});
