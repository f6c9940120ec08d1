import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestApp, type TestApp } from '../support/app.js';
import { get, post, type ProblemBody } from '../support/http.js';
import { basic, httpDevice, type Shown } from './http-device.js';

let signalbox: TestApp;
beforeAll(async () => {
  signalbox = await createTestApp();
});
afterAll(async () => {
  await signalbox.close();
});

const url = (path: string) => `${signalbox.httpUrl}${path}`;

/** A device that has been handed a command. */
async function handed(fields: object = {}) {
  const pump = httpDevice(signalbox.httpUrl);
  await pump.next();
  const { id } = await pump.command(fields);
  expect((await pump.next()).body.id).toBe(id);
  return { pump, id };
}

describe('POST /v1/device/commands/{id}', () => {
  it('tells what has become of the command, and so does REST', async () => {
    const { pump, id } = await handed();
    const accepted = await pump.answer(id, { status: 'accepted' });
    expect([accepted.status, accepted.body]).toEqual([
      200,
      { id, status: 'ACKED', final: false, cancelRequestedAt: null },
    ]);
    await pump.answer(id, { status: 'progress', progress: 40 });
    expect(await pump.read(id)).toMatchObject({ status: 'ACKED', progress: 40, outcome: 'started' });
    const waiting = get<Shown>(url(`/v1/commands/${id}?wait=10`));
    const done = await pump.answer(id, { status: 'succeeded', result: { fan: true } });
    expect(done.body).toEqual({ id, status: 'SUCCEEDED', final: true, cancelRequestedAt: null });
    expect((await waiting).body).toMatchObject({ status: 'SUCCEEDED', result: { fan: true }, outcome: 'executed' });
  });

  it('may be repeated: the first final answer stays, one that differs is kept as late', async () => {
    const { pump, id } = await handed();
    const failed = { status: 'failed', code: 'JAMMED', message: 'The valve does not move.' };
    for (const _ of [1, 2]) expect((await pump.answer(id, failed)).body).toMatchObject({ status: 'FAILED' });
    expect(await pump.read(id)).toMatchObject({ error: { code: 'JAMMED' }, lateResult: null });
    expect((await pump.answer(id, { status: 'succeeded' })).body).toMatchObject({ id, status: 'FAILED', final: true });
    expect(await pump.read(id)).toMatchObject({ status: 'FAILED', lateResult: { status: 'succeeded' } });
  });

  it('ends the sending: a command that has been answered is not given again', async () => {
    const { pump, id } = await handed();
    await pump.answer(id, { status: 'accepted' });
    expect((await pump.next('6')).status).toBe(204);
  });

  it('shows that the command is no longer wanted, and takes "cancelled" for an answer', async () => {
    const { pump, id } = await handed();
    await pump.answer(id, { status: 'accepted' });
    expect((await pump.cancel(id)).status).toBe(202);
    const progress = await pump.answer<Shown>(id, { status: 'progress', progress: 10 });
    expect(progress.body).toMatchObject({ status: 'ACKED', final: false });
    expect(Date.parse(progress.body.cancelRequestedAt!)).toBeLessThanOrEqual(Date.now());
    expect((await pump.answer(id, { status: 'cancelled' })).body).toMatchObject({ status: 'CANCELLED', final: true });
    expect(await pump.read(id)).toMatchObject({ outcome: 'not_executed' });
  });

  it('comes too late where the command was cancelled before it was fetched: nobody gets that', async () => {
    const pump = httpDevice(signalbox.httpUrl);
    await pump.next();
    const { id } = await pump.command();
    expect((await pump.cancel(id)).body).toMatchObject({ status: 'CANCELLED', attempts: 0 });
    expect((await pump.next()).status).toBe(204);
  });

  it('stops the resending of a command that was handed over and is to be cancelled', async () => {
    const { pump, id } = await handed();
    await pump.cancel(id);
    expect((await pump.next('6')).status).toBe(204);
    expect(await pump.read(id)).toMatchObject({ attempts: 1, status: 'SENT' });
  });

  it('answers 404 for an unknown command and for that of another device, with the same words', async () => {
    const { id } = await handed();
    const other = httpDevice(signalbox.httpUrl);
    const problems = [];
    for (const path of [id, '019aa7c0-7d7e-7cc2-9f52-1f4ad2f3a9c1', 'x', 'get', '%00', '%F0%9F%92%A1']) {
      const { status, body } = await other.answer<ProblemBody>(path, { status: 'accepted' });
      expect([path, status, body.code]).toEqual([path, 404, 'COMMAND_UNKNOWN']);
      problems.push(body.detail);
    }
    expect(new Set(problems).size).toBe(1);
    expect(await other.read(id)).toMatchObject({ status: 'SENT' });
  });

  it.each([
    ['an unknown field', { status: 'succeeded', results: 1 }, 'VALIDATION_FAILED', '/results'],
    ['an unknown status', { status: 'done' }, 'BAD_ANSWER', '/status'],
    ['no status', {}, 'BAD_ANSWER', '/status'],
    ['a progress beyond 100', { status: 'progress', progress: 101 }, 'BAD_ANSWER', '/progress'],
    ['a code that is no string', { status: 'failed', code: 7 }, 'BAD_ANSWER', '/code'],
    ['a message that is an object', { status: 'failed', message: {} }, 'BAD_ANSWER', '/message'],
    ['a result over 64 KiB', { status: 'succeeded', result: 'x'.repeat(65_536) }, 'BAD_ANSWER', '/result'],
    ['an array', [], 'VALIDATION_FAILED', ''],
    ['__proto__', '{"status": "succeeded", "__proto__": {}}', 'BAD_JSON', '/__proto__'],
  ])('refuses %s with 400 and a pointer, and nothing changes', async (_, answer, code, pointer) => {
    const { pump, id } = await handed();
    const { status, body } = await pump.answer<ProblemBody>(id, answer);
    expect([status, body.code, body.errors?.[0]?.pointer]).toEqual([400, code, pointer]);
    expect(await pump.is(id, 'SENT')).toMatchObject({ final: false });
  });

  it('refuses an answer to what was never handed over', async () => {
    const pump = httpDevice(signalbox.httpUrl);
    await pump.next();
    const { id } = await pump.command();
    const { status, body } = await pump.answer<ProblemBody>(id, { status: 'succeeded' });
    expect([status, body.code]).toEqual([400, 'BAD_ANSWER']);
    expect(await pump.read(id)).toMatchObject({ status: 'PENDING', attempts: 0 });
  });

  it('refuses a form and a missing body', async () => {
    const { pump, id } = await handed();
    const path = url(`/v1/device/commands/${id}`);
    const type = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await post(path, 'status=succeeded', { ...pump.login, ...type })).status).toBe(415);
    expect((await fetch(path, { method: 'POST', headers: basic(`${pump.id}:x`) })).status).toBe(400);
  });
});
