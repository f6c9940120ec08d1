import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/common/ids.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { get, post, type ProblemBody } from '../support/http.js';
import { rawHttp } from '../support/raw-http.js';
import { type CommandBody, newDevice, TestDevice } from './command-client.js';

let signalbox: TestApp;
beforeAll(async () => {
  signalbox = await createTestApp({ MQTT_DEVICE_RATE: '0' });
});
afterAll(async () => {
  await signalbox.close();
});

const create = <T = CommandBody>(deviceId: string, body: unknown, headers: Record<string, string> = {}) =>
  post<T>(`${signalbox.httpUrl}/v1/devices/${deviceId}/commands`, body, headers);
const keyed = (key: string = newId()) => ({ 'idempotency-key': key });

async function commandsOf(deviceId: string): Promise<readonly string[]> {
  const url = `${signalbox.httpUrl}/v1/devices/${deviceId}/commands`;
  const { status, body } = await get<{ readonly items: readonly CommandBody[] }>(url);
  return status === 404 ? [] : body.items.map(({ id }) => id);
}

describe('A create with an Idempotency-Key', () => {
  it('gives a repeat the same command as it is now', async () => {
    const device = await TestDevice.listen(signalbox, newDevice());
    const key = keyed();
    const first = await create(device.deviceId, { type: 'X', params: { a: 1, b: 2 } }, key);
    expect(first.headers.get('idempotency-replayed')).toBeNull();
    const { id } = await device.nextCommand();
    const second = await create(device.deviceId, '{ "params": {"b": 2, "a": 1.0}, "type": "X" }', key);
    expect([second.status, second.headers.get('idempotency-replayed'), second.body.id]).toEqual([202, 'true', id]);
    expect(second.headers.get('location')).toBe(first.headers.get('location'));
    await device.answer(id, { status: 'succeeded' });
    await eventually('the repeat gets the final command', async () => {
      const { status, body } = await create(device.deviceId, { type: 'X', params: { a: 1, b: 2 } }, key);
      return status === 201 && body.status === 'SUCCEEDED';
    });
    await device.end();
    expect(await commandsOf(device.deviceId)).toEqual([id]);
  });

  it('honours the wait of the repeat, not that of the first', async () => {
    const device = await TestDevice.listen(signalbox, newDevice());
    const key = keyed();
    await create(device.deviceId, { type: 'X' }, key);
    const { id } = await device.nextCommand();
    const repeat = create(device.deviceId, { type: 'X' }, { ...key, prefer: 'wait=30' });
    await device.answer(id, { status: 'failed', code: 'JAMMED' });
    const { status, headers, body } = await repeat;
    expect([status, headers.get('preference-applied')]).toEqual([201, 'wait=30']);
    expect(body).toMatchObject({ id, status: 'FAILED', error: { code: 'JAMMED', message: null } });
    await device.end();
  });

  it('makes one command and one publish of 100 at once', async () => {
    const device = await TestDevice.listen(signalbox, newDevice());
    const key = keyed();
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => create(device.deviceId, { type: 'X' }, { ...key, prefer: 'wait=15' })).concat(
        device.nextCommand().then(async ({ id }) => {
          await device.answer(id, { status: 'succeeded' });
          return create(device.deviceId, { type: 'X' }, key);
        }),
      ),
    );
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect(answers.slice(0, 100).map(({ status }) => status)).toEqual(Array.from({ length: 100 }, () => 201));
    expect(answers.filter(({ headers }) => headers.get('idempotency-replayed') === null)).toHaveLength(1);
    const last = await create(device.deviceId, { type: 'LAST' });
    await eventually('the last one comes', () => device.commands.some(({ type }) => type === 'LAST'));
    expect(device.commands.map(({ id }) => id)).toEqual([answers[0]!.body.id, last.body.id]);
    await device.end();
  });

  it('is refused with another body, or for another device', async () => {
    const [deviceId, key] = [newDevice(), keyed()];
    const { body } = await create(deviceId, { type: 'X' }, key);
    for (const other of [
      await create<ProblemBody>(deviceId, { type: 'Y' }, key),
      await create<ProblemBody>(deviceId, { type: 'X', params: {} }, key),
      await create<ProblemBody>(newDevice(), { type: 'X' }, key),
      await post<ProblemBody>(`${signalbox.httpUrl}/control`, { command: 'X', deviceId }, key),
    ]) {
      expect([other.status, other.body.code]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
    }
    expect(await commandsOf(deviceId)).toEqual([body.id]);
  });

  it('keeps no key where it was refused', async () => {
    const [deviceId, key] = [newDevice(), keyed()];
    expect((await create(deviceId, { type: 'X', ttlMs: 0 }, key)).status).toBe(400);
    expect((await create(deviceId, { type: 'X', metadata: { a: 'x'.repeat(5_000) } }, key)).status).toBe(400);
    const { status, headers } = await create(deviceId, { type: 'X' }, key);
    expect([status, headers.get('idempotency-replayed')]).toEqual([202, null]);
  });

  it('keeps no key where the queue was full', async () => {
    const [deviceId, key] = [newDevice(), keyed()];
    await Promise.all(Array.from({ length: 100 }, () => create(deviceId, { type: 'X' })));
    expect((await create(deviceId, { type: 'X' }, key)).status).toBe(429);
    const { scan } = signalbox.database;
    const kept = scan.selectFrom('idempotency_keys').selectAll().where('key', '=', key['idempotency-key']);
    expect(await kept.execute()).toEqual([]);
  });

  it('shares no keys with the services', async () => {
    const [deviceId, key] = [newDevice(), newId()];
    await create(deviceId, { type: 'X' }, keyed(key));
    const { scan } = signalbox.database;
    const kept = scan.selectFrom('idempotency_keys').select('caller').where('key', '=', key);
    expect(await kept.execute()).toEqual([{ caller: 'anyone' }]);
  });

  it.each(['', 'x'.repeat(256), 'a\tb'])('is refused with the key %j, and points at the header', async (key) => {
    const deviceId = newDevice();
    const { status, body } = await create<ProblemBody>(deviceId, { type: 'X' }, keyed(key));
    expect([status, body.errors]).toEqual([400, [expect.objectContaining({ header: 'Idempotency-Key' })]]);
    expect(await commandsOf(deviceId)).toEqual([]);
  });

  it.each(['x', 'x'.repeat(255), '"quoted"', 'a b; c=d, e', 'é'])('takes the key %j', async (key) => {
    const deviceId = newDevice();
    const { body } = await create(deviceId, { type: 'X' }, keyed(key));
    expect(await commandsOf(deviceId)).toEqual([body.id]);
  });

  it('is refused when the header comes twice', async () => {
    const deviceId = newDevice();
    const answer = await rawHttp(
      signalbox.httpUrl,
      `POST /v1/devices/${deviceId}/commands HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n` +
        'Content-Type: application/json\r\nContent-Length: 13\r\nIdempotency-Key: a\r\nIdempotency-Key: a\r\n\r\n' +
        '{"type": "X"}',
    );
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(answer).toContain('"header":"Idempotency-Key"');
    expect(await commandsOf(deviceId)).toEqual([]);
  });
});

describe('POST /control with an Idempotency-Key', () => {
  it('gives a repeat the same command, and stays at 202', async () => {
    const [body, key] = [{ command: 'X', deviceId: newDevice() }, keyed()];
    const first = await post<CommandBody>(`${signalbox.httpUrl}/control`, body, key);
    await eventually('it is final', async () => {
      const { status, headers, body: now } = await post<CommandBody>(`${signalbox.httpUrl}/control`, body, key);
      expect([status, headers.get('idempotency-replayed')]).toEqual([202, 'true']);
      expect(now).toMatchObject({ id: first.body.id, command: 'X' });
      return now.final;
    });
    expect(await commandsOf(body.deviceId)).toEqual([first.body.id]);
  });
});
