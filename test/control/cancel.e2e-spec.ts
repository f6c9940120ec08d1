import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/common/ids.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { get, post, type ProblemBody } from '../support/http.js';
import { type CommandBody, newDevice, TestDevice } from './command-client.js';

let signalbox: TestApp;
let device: TestDevice;
beforeAll(async () => {
  signalbox = await createTestApp({ MQTT_DEVICE_RATE: '0' });
  device = await TestDevice.listen(signalbox, newDevice());
});
afterAll(async () => {
  await device.end();
  await signalbox.close();
});

const create = async (body: object) => {
  const url = `${signalbox.httpUrl}/v1/devices/${device.deviceId}/commands`;
  return (await post<CommandBody>(url, { type: 'X', ...body })).body.id;
};
const read = async (id: string) => (await get<CommandBody>(`${signalbox.httpUrl}/v1/commands/${id}`)).body;
const cancel = <T = CommandBody>(id: string, body: unknown = {}) =>
  post<T>(`${signalbox.httpUrl}/v1/commands/${id}/cancel`, body);

async function sent(options: object = {}): Promise<string> {
  const id = await create(options);
  await eventually('the device has it', () => device.commands.some((command) => command.id === id));
  await eventually('it is SENT', async () => (await read(id)).status !== 'PENDING');
  return id;
}

async function ended(status: string, answer: object): Promise<string> {
  const id = await sent();
  await device.answer(id, answer);
  await eventually(`it is ${status}`, async () => (await read(id)).status === status);
  return id;
}

describe('POST /v1/commands/{id}/cancel', () => {
  it('ends a command that was never sent: 200, CANCELLED, and it never goes out', async () => {
    const head = await sent({ order: 'fifo' });
    const id = await create({ order: 'fifo' });
    expect(await read(id)).toMatchObject({ status: 'PENDING', attempts: 0 });
    const { status, body } = await cancel(id);
    expect([status, body]).toEqual([
      200,
      expect.objectContaining({ id, status: 'CANCELLED', final: true, outcome: 'not_executed', attempts: 0 }),
    ]);
    expect(body.history.at(-1)).toMatchObject({ status: 'CANCELLED', by: 'anyone' });
    await device.answer(head, { status: 'succeeded' });
    const next = await sent({ order: 'fifo' });
    await device.answer(next, { status: 'succeeded' });
    expect(device.commands.map((command) => command.id)).not.toContain(id);
    expect(device.cancelled).not.toContain(id);
  });

  it('asks the device to, where it was sent: 202, a cancel notice, and the answer of the device decides', async () => {
    const id = await sent();
    const { status, body } = await cancel(id);
    expect([status, body.final]).toEqual([202, false]);
    expect(body.status).toMatch(/SENT|DELIVERED/);
    expect(Math.abs(Date.parse(body.cancelRequestedAt!) - Date.now())).toBeLessThan(10_000);
    await eventually('the notice comes', () => device.cancelled.includes(id));
    const again = await cancel(id);
    expect([again.status, again.body.cancelRequestedAt]).toEqual([202, body.cancelRequestedAt]);
    await device.answer(id, { status: 'cancelled' });
    await eventually('it is cancelled', async () => (await read(id)).status === 'CANCELLED');
    expect(await read(id)).toMatchObject({ final: true, outcome: 'not_executed', attempts: 1 });
  });

  it('asks the device to, where it has begun: what it did all the same is told', async () => {
    const id = await sent();
    await device.answer(id, { status: 'accepted' });
    await eventually('it is ACKED', async () => (await read(id)).status === 'ACKED');
    expect((await cancel(id)).status).toBe(202);
    await device.answer(id, { status: 'succeeded' });
    await eventually('it has ended', async () => (await read(id)).final);
    expect(await read(id)).toMatchObject({ status: 'SUCCEEDED', outcome: 'executed' });
  });

  it.each([
    ['SUCCEEDED', { status: 'succeeded' }],
    ['FAILED', { status: 'failed' }],
    ['REJECTED', { status: 'rejected' }],
  ])('refuses one that is %s with 409 COMMAND_FINAL, and changes nothing', async (state, answer) => {
    const id = await ended(state, answer);
    const before = await read(id);
    const { status, body } = await cancel<ProblemBody>(id);
    expect([status, body.code]).toEqual([409, 'COMMAND_FINAL']);
    expect(await read(id)).toEqual(before);
  });

  it('refuses one that is CANCELLED, EXPIRED or TIMED_OUT as well', async () => {
    const head = await sent({ order: 'fifo' });
    const cancelled = await create({ order: 'fifo' });
    await cancel(cancelled);
    await device.answer(head, { status: 'succeeded' });
    const expired = await sent({ ttlMs: 1_000, maxAttempts: 1 });
    const late = await sent({ resultTimeoutMs: 1_000 });
    await device.answer(late, { status: 'accepted' });
    for (const [id, state] of [
      [cancelled, 'CANCELLED'],
      [expired, 'EXPIRED'],
      [late, 'TIMED_OUT'],
    ] as const) {
      await eventually(`it is ${state}`, async () => (await read(id)).status === state);
      const { status, body } = await cancel<ProblemBody>(id);
      expect([status, body.code]).toEqual([409, 'COMMAND_FINAL']);
    }
  });

  it('answers 404 for a command that there is not', async () => {
    for (const id of [newId(), 'x', '__proto__', '\0', "' or 1=1", 'x'.repeat(200)]) {
      const { status, body } = await cancel<ProblemBody>(encodeURIComponent(id));
      expect([status, body.code]).toEqual([404, 'COMMAND_UNKNOWN']);
    }
  });

  it('wants no body', async () => {
    const id = await sent();
    for (const body of ['{"reason": "x"}', '[]', 'null', '"x"', '{"toString": 1}']) {
      expect((await cancel(id, body)).status).toBe(400);
    }
    expect((await read(id)).cancelRequestedAt).toBeNull();
    expect((await cancel(id, '')).status).toBe(202); // no body, although its type is JSON
    const bare = await fetch(`${signalbox.httpUrl}/v1/commands/${id}/cancel`, { method: 'POST' });
    expect([bare.status, await bare.json()]).toEqual([202, expect.objectContaining({ id })]);
    await device.answer(id, { status: 'cancelled' });
  });
});
