import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { get } from '../support/http.js';
import { DELIVERED, path, Rig } from './support/rig.js';
import type { RawDevice } from './support/raw-device.js';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig.close());

/** A device with a command that it has got and not answered. */
async function busyDevice(more: Parameters<Rig['create']>[1] = {}): Promise<{ device: RawDevice; id: string }> {
  const device = await rig.device(rig.name());
  const id = await rig.create(device.id, more);
  await device.gets(id);
  // So that what the broker says of the publish is not in the way of what the device says.
  await rig.until(id, 'the publish is recorded', ({ status }) => status === (DELIVERED[0] ?? 'SENT'));
  return { device, id };
}

/** What the service says that it has done with answers since its start. */
async function answersCounted(): Promise<{ applied: number; ignored: number; bad: number }> {
  const { body } = await get<{ answers: { applied: number; ignored: number; bad: number } }>(
    `${rig.signalbox.httpUrl}/health`,
  );
  return body.answers;
}

const details = async (deviceId: string) =>
  (await rig.rejects(deviceId)).map(({ code, detail }) => `${code} ${detail}`);

describe('An answer', () => {
  it.each([
    ['succeeded', 'SUCCEEDED', 'executed', null],
    ['failed', 'FAILED', 'executed_with_error', { code: 'JAM', message: 'stuck' }],
    ['rejected', 'REJECTED', 'not_executed', { code: 'JAM', message: 'stuck' }],
    ['cancelled', 'CANCELLED', 'not_executed', { code: 'JAM', message: 'stuck' }],
  ])('%s ends the command: %s, %s', async (said, status, outcome, error) => {
    const { device, id } = await busyDevice();
    await device.answer(id, said, { code: 'JAM', message: 'stuck', result: { angle: [30] } });
    const command = await rig.read(id);
    expect(command).toMatchObject({ status, final: true, outcome, error, attempts: 1, lateResult: null });
    expect(command.result).toEqual({ angle: [30] });
    expect(path(command)).toEqual(['PENDING', 'SENT', ...DELIVERED, status]);
    expect(command.history.at(-1)).toMatchObject({ by: 'device' });
    expect(await rig.rejects(device.id)).toEqual([]);
  });

  it('accepted starts the deadline of the result, and each word of progress moves it', async () => {
    const { device, id } = await busyDevice({ resultTimeoutMs: 20_000 });
    await device.answer(id, 'accepted');
    const accepted = await rig.read(id);
    expect(accepted).toMatchObject({ status: 'ACKED', final: false, outcome: 'started', progress: null });
    const ackedAt = Date.parse(accepted.history.at(-1)!.at);
    expect(Date.parse(accepted.deadlineAt!) - ackedAt).toBeLessThanOrEqual(20_000);
    expect(Date.parse(accepted.deadlineAt!) - ackedAt).toBeGreaterThan(19_000);
    let last = accepted;
    for (const progress of [0, 33.5, 100]) {
      await eventually('the clock has moved', () => Date.now() > Date.parse(last.deadlineAt!) - 20_000);
      await device.answer(id, 'progress', { progress });
      const command = await rig.read(id);
      expect(command).toMatchObject({ status: 'ACKED', progress });
      expect(Date.parse(command.deadlineAt!)).toBeGreaterThan(Date.parse(last.deadlineAt!));
      last = command;
    }
    expect(path(last)).toEqual(path(accepted));
    await device.answer(id, 'succeeded');
    expect(await rig.read(id)).toMatchObject({ status: 'SUCCEEDED', progress: 100, deadlineAt: last.deadlineAt });
  });

  it('of progress alone starts the command as well', async () => {
    const { device, id } = await busyDevice();
    await device.answer(id, 'progress', { progress: 5 });
    expect(await rig.read(id)).toMatchObject({ status: 'ACKED', progress: 5, outcome: 'started' });
  });

  it('that starts it ends a command of mode ack, and a result is late then', async () => {
    const { device, id } = await busyDevice({ mode: 'ack' });
    await device.answer(id, 'accepted');
    expect(await rig.read(id)).toMatchObject({ status: 'ACKED', final: true, outcome: 'started', deadlineAt: null });
    await device.answer(id, 'failed', { result: 7 });
    expect(await rig.read(id)).toMatchObject({
      status: 'ACKED',
      outcome: 'executed_with_error',
      result: null,
      lateResult: { status: 'failed', result: 7 },
    });
  });

  it('that comes twice changes nothing the second time', async () => {
    const { device, id } = await busyDevice();
    for (const _ of [1, 2]) await device.answer(id, 'accepted');
    for (const _ of [1, 2]) await device.answer(id, 'succeeded', { result: { a: 1, b: [true] } });
    const command = await rig.read(id);
    expect(path(command)).toEqual(['PENDING', 'SENT', ...DELIVERED, 'ACKED', 'SUCCEEDED']);
    expect(command.lateResult).toBeNull();
    expect(await rig.rejects(device.id)).toEqual([]);
  });

  it('with the same result in another order of keys is the same answer', async () => {
    const { device, id } = await busyDevice();
    await device.answer(id, 'succeeded', { result: { a: 1, b: { c: 1, d: 2 } } });
    await device.answer(id, 'succeeded', { result: { b: { d: 2, c: 1 }, a: 1 } });
    expect((await rig.read(id)).lateResult).toBeNull();
  });

  it('after the end is kept where it differs, and only the first', async () => {
    const { device, id } = await busyDevice();
    await device.answer(id, 'succeeded', { result: 1 });
    await device.answer(id, 'accepted');
    await device.answer(id, 'progress', { progress: 3 });
    expect(await rig.read(id)).toMatchObject({ lateResult: null, progress: null });
    await device.answer(id, 'succeeded', { result: 2 });
    await device.answer(id, 'failed', { result: 3 });
    expect(await rig.read(id)).toMatchObject({
      status: 'SUCCEEDED',
      outcome: 'executed',
      result: 1,
      lateResult: { status: 'succeeded', code: null, message: null, result: 2 },
    });
    expect(await rig.rejects(device.id)).toEqual([]);
  });

  it.each([
    ['succeeded', 'executed'],
    ['failed', 'executed_with_error'],
    ['rejected', 'not_executed'],
    ['cancelled', 'not_executed'],
  ])('%s after the ttl tells how it ended: %s', async (said, outcome) => {
    const { device, id } = await busyDevice({ ttlMs: 1_000 });
    expect(await rig.final(id)).toMatchObject({ status: 'EXPIRED', outcome: 'unknown', error: { code: 'NO_ANSWER' } });
    await device.answer(id, 'accepted');
    expect(await rig.read(id)).toMatchObject({ status: 'EXPIRED', outcome: 'unknown', lateResult: null });
    await device.answer(id, said);
    expect(await rig.read(id)).toMatchObject({ status: 'EXPIRED', outcome, lateResult: { status: said } });
  });

  it('after the deadline of the result tells how it ended', async () => {
    const { device, id } = await busyDevice({ resultTimeoutMs: 1_000 });
    await device.answer(id, 'accepted');
    expect(await rig.final(id)).toMatchObject({ status: 'TIMED_OUT', outcome: 'unknown' });
    await device.answer(id, 'succeeded', { result: 'done' });
    expect(await rig.read(id)).toMatchObject({
      status: 'TIMED_OUT',
      outcome: 'executed',
      lateResult: { status: 'succeeded', result: 'done' },
    });
  });

  it('to a command of mode none is late, and tells what became of it', async () => {
    const { device, id } = await (async () => {
      const one = await rig.device(rig.name());
      const made = await rig.create(one.id, { mode: 'none' });
      await one.gets(made);
      return { device: one, id: made };
    })();
    expect(await rig.final(id)).toMatchObject({ outcome: 'unknown' });
    await device.answer(id, 'succeeded');
    expect(await rig.read(id)).toMatchObject({ outcome: 'executed', lateResult: { status: 'succeeded' } });
  });

  it('may have a result of 64 KiB', async () => {
    const { device, id } = await busyDevice();
    const result = 'x'.repeat(65_534);
    await device.answer(id, 'succeeded', { result });
    expect((await rig.read(id)).result).toBe(result);
  });

  it('that cannot be committed yet is not one, and changes nothing', async () => {
    const id = await rig.create(await rig.offlineDevice());
    const device = await rig.device((await rig.read(id)).deviceId, { listens: false });
    await device.answer(id, 'succeeded');
    expect(await rig.read(id)).toMatchObject({
      status: 'PENDING',
      attempts: 0,
      outcome: 'not_executed',
      lateResult: null,
    });
    expect(await details(device.id)).toEqual([expect.stringMatching(/^BAD_ANSWER .*not been sent/)]);
  });
});

describe('A bad answer', () => {
  it.each<[string, string]>([
    ['nothing', ''],
    ['no JSON', '{"status": '],
    ['binary', '\u0000\u0001'],
    ['null', 'null'],
    ['a list', '[]'],
    ['a word', '"succeeded"'],
    ['no status', '{}'],
    ['an unknown status', '{"status": "done"}'],
    ['a status of another case', '{"status": "SUCCEEDED"}'],
    ['a status of Object', '{"status": "constructor"}'],
    ['progress over 100', '{"status": "progress", "progress": 100.5}'],
    ['progress below 0', '{"status": "progress", "progress": -1}'],
    ['progress in words', '{"status": "progress", "progress": "5"}'],
    ['a code that is a number', '{"status": "failed", "code": 5}'],
    ['a result over 64 KiB', JSON.stringify({ status: 'succeeded', result: 'x'.repeat(65_535) })],
    ['a result with NUL', '{"status": "succeeded", "result": "\\u0000"}'],
    ['a number that no double holds', '{"status": "succeeded", "result": 1e999}'],
    ['__proto__', '{"status": "succeeded", "result": {"__proto__": 1}}'],
  ])('(%s) is acknowledged, kept as a reject, told to the device, and changes nothing', async (_, payload) => {
    const { device, id } = await busyDevice();
    const before = await rig.read(id);
    await device.say(`commands/${id}`, payload);
    expect(await rig.rejects(device.id)).toEqual([
      expect.objectContaining({ code: 'BAD_ANSWER', topic: `devices/${device.id}/up/commands/${id}` }),
    ]);
    const told = await eventually('it was told', () => device.messages('errors')[0]);
    expect(JSON.parse(told.payload)).toEqual({ code: 'BAD_ANSWER', detail: expect.stringMatching(/\w/), ref: id });
    expect(await rig.read(id)).toEqual(before);
  });

  it('is one to a command that there is not', async () => {
    const device = await rig.device(rig.name());
    await device.answer('019aa7c0-7d7e-7cc2-9f52-1f4ad2f3a9c1', 'succeeded');
    await device.answer('constructor', 'succeeded');
    expect(await details(device.id)).toEqual(Array(2).fill(expect.stringMatching(/^BAD_ANSWER .*no such command/)));
  });

  it("is one to another device's command, which does not hear of it", async () => {
    const { device, id } = await busyDevice();
    const before = await rig.read(id);
    const stranger = await rig.device(rig.name());
    await stranger.answer(id, 'succeeded');
    await stranger.answer(id, 'cancelled');
    expect(await rig.read(id)).toEqual(before);
    expect(await details(stranger.id)).toEqual(Array(2).fill(expect.stringMatching(/^BAD_ANSWER .*no such command/)));
    expect(await rig.rejects(device.id)).toEqual([]);
    await device.answer(id, 'succeeded');
    expect(await rig.read(id)).toMatchObject({ status: 'SUCCEEDED' });
  });

  it('among good ones in one packet chunk costs the others nothing', async () => {
    const { device, id } = await busyDevice();
    const before = await answersCounted();
    await device.sayAtOnce(
      [`commands/${id}`, { status: 'accepted' }],
      [`commands/${id}`, 'what?'],
      ['commands/nobody', { status: 'succeeded' }],
      [`commands/${id}`, { status: 'succeeded', result: 5 }],
    );
    expect(await rig.read(id)).toMatchObject({ status: 'SUCCEEDED', result: 5 });
    expect(await rig.rejects(device.id)).toHaveLength(2);
    await device.answer(id, 'succeeded', { result: 5 });
    const { applied, ignored, bad } = before;
    expect(await answersCounted()).toEqual({ applied: applied + 2, ignored: ignored + 1, bad: bad + 2 });
  });

  it('is not what a device publishes on its own down/', async () => {
    const { device, id } = await busyDevice();
    const before = await rig.read(id);
    device.client.send({
      cmd: 'publish',
      topic: `devices/${device.id}/down/commands/${id}`,
      payload: '{"status": "succeeded"}',
      qos: 1,
      messageId: 999,
      dup: false,
      retain: false,
    });
    await eventually('acknowledged', () => device.client.of('puback').some(({ messageId }) => messageId === 999));
    expect(await rig.read(id)).toEqual(before);
  });
});
