import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ANYONE } from '../../src/common/access.js';
import { COMMAND_DEFAULTS } from '../../src/control/command.js';
import { ControlService } from '../../src/control/control.service.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { get, post, type ProblemBody } from '../support/http.js';
import { type CommandBody, newDevice, TestDevice } from './command-client.js';

let signalbox: TestApp;
beforeAll(async () => {
  signalbox = await createTestApp({ MQTT_DEVICE_RATE: '0' });
});
afterAll(async () => {
  await signalbox.close();
});

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const commandsUrl = (deviceId: string) => `${signalbox.httpUrl}/v1/devices/${deviceId}/commands`;
const create = <T = CommandBody>(deviceId: string, body: unknown, headers: Record<string, string> = {}) =>
  post<T>(commandsUrl(deviceId), body, headers);
const read = async (id: string) => (await get<CommandBody>(`${signalbox.httpUrl}/v1/commands/${id}`)).body;

describe('POST /v1/devices/{deviceId}/commands', () => {
  it('needs no more than a type, and answers 202 with the whole command and its place', async () => {
    const deviceId = newDevice();
    const { status, headers, body } = await create(deviceId, { type: 'TURN_ON_FAN' });
    expect(status).toBe(202);
    expect(headers.get('location')).toBe(`/v1/commands/${body.id}`);
    expect(headers.get('preference-applied')).toBeNull();
    expect(headers.get('idempotency-replayed')).toBeNull();
    expect(body).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
      deviceId,
      type: 'TURN_ON_FAN',
      params: {},
      mode: 'result',
      status: 'PENDING',
      final: false,
      outcome: 'not_executed',
      attempts: 0,
      createdAt: TIME,
      expiresAt: TIME,
      deadlineAt: null,
      cancelRequestedAt: null,
      progress: null,
      result: null,
      error: null,
      lateResult: null,
      metadata: {},
      history: [{ status: 'PENDING', at: TIME, by: 'anyone' }],
    });
    expect(Date.parse(body.expiresAt) - Date.parse(body.createdAt)).toBe(60_000);
    expect(await read(body.id)).toMatchObject({ id: body.id, deviceId });
  });

  it('answers 201 with the final command where the device has done it within the wait', async () => {
    const device = await TestDevice.listen(signalbox, newDevice());
    const asked = create(device.deviceId, { type: 'READ', params: { n: 1 } }, { prefer: 'wait=15' });
    const { id } = await device.nextCommand();
    await device.answer(id, { status: 'succeeded', result: { t: 21.5 } });
    const { status, headers, body } = await asked;
    expect(status).toBe(201);
    expect(headers.get('preference-applied')).toBe('wait=15');
    expect(body).toMatchObject({ id, status: 'SUCCEEDED', final: true, outcome: 'executed', result: { t: 21.5 } });
    await device.end();
  });

  it('answers 202 with the state of that moment where the wait is over first', async () => {
    const device = await TestDevice.listen(signalbox, newDevice());
    const startedAt = performance.now();
    const { status, headers, body } = await create(device.deviceId, { type: 'READ' }, { prefer: 'wait=1' });
    expect(performance.now() - startedAt).toBeGreaterThan(950);
    expect([status, headers.get('preference-applied')]).toEqual([202, 'wait=1']);
    expect(body).toMatchObject({ status: expect.stringMatching(/SENT|DELIVERED/), final: false, attempts: 1 });
    await device.end();
  });

  it.each([
    ['an empty body', ''],
    ['an array', []],
    ['a text', '"TURN_ON"'],
    ['null', 'null'],
  ])('refuses %s', async (_, body) => {
    expect((await create(newDevice(), body)).status).toBe(400);
  });

  it('refuses a device id that can be none', async () => {
    for (const deviceId of ['a%2Fb', '__proto__', '-x', 'x'.repeat(129), 'a%00', 'ä']) {
      const { status, body } = await create<ProblemBody>(deviceId, { type: 'X' });
      expect([status, body.errors]).toEqual([400, [expect.objectContaining({ parameter: 'deviceId' })]]);
    }
  });
});

describe('A command that is asked for', () => {
  const large = (bytes: number) => ({ a: 'x'.repeat(bytes - 8) });

  it.each<[string, unknown]>([
    ['type', 'x'],
    ['type', `x${'.'.repeat(63)}`],
    ['params', large(32_768)],
    ['params', { constructor: 1, toString: [null], '': {} }],
    ['ttlMs', 1_000],
    ['ttlMs', 2_592_000_000],
    ['resultTimeoutMs', 1_000],
    ['resultTimeoutMs', 86_400_000],
    ['mode', 'result'],
    ['mode', 'ack'],
    ['mode', 'none'],
    ['offline', 'queue'],
    ['maxAttempts', 1],
    ['maxAttempts', 10],
    ['order', 'parallel'],
    ['order', 'fifo'],
    ['coalesceKey', null],
    ['coalesceKey', 'k'],
    ['coalesceKey', 'ключ '.repeat(25)],
    ['metadata', large(4_096)],
  ])('may have as %s what is within its bounds (%#)', async (field, value) => {
    const deviceId = newDevice();
    const { status, body } = await create(deviceId, { type: 'X', [field]: value });
    expect(status).toBe(202);
    const row = await signalbox.database.point
      .selectFrom('commands')
      .selectAll()
      .where('id', '=', body.id)
      .executeTakeFirstOrThrow();
    const stored = {
      type: row.type,
      params: JSON.parse(row.params) as unknown,
      ttlMs: row.expires_at - row.created_at,
      resultTimeoutMs: row.result_timeout_ms,
      mode: row.mode,
      offline: row.offline,
      maxAttempts: row.max_attempts,
      order: row.order,
      coalesceKey: row.coalesce_key,
      metadata: JSON.parse(row.metadata) as unknown,
    };
    expect(stored).toEqual({ ...COMMAND_DEFAULTS, type: 'X', [field]: value });
  });

  it.each<[string, unknown]>([
    ['type', undefined],
    ['type', null],
    ['type', ''],
    ['type', 5],
    ['type', '1x'],
    ['type', 'TURN ON'],
    ['type', 'x/y'],
    ['type', 'X\n'],
    ['type', 'x'.repeat(65)],
    ['type', ['X']],
    ['params', null],
    ['params', []],
    ['params', 'on'],
    ['params', large(32_769)],
    ['ttlMs', 0],
    ['ttlMs', 999],
    ['ttlMs', 2_592_000_001],
    ['ttlMs', 315_360_000_000],
    ['ttlMs', -1_000],
    ['ttlMs', 1_000.5],
    ['ttlMs', '60000'],
    ['ttlMs', null],
    ['ttlMs', true],
    ['ttlMs', [60_000]],
    ['resultTimeoutMs', 999],
    ['resultTimeoutMs', 86_400_001],
    ['resultTimeoutMs', '30s'],
    ['mode', 'results'],
    ['mode', null],
    ['mode', 'toString'],
    ['mode', ['ack']],
    ['offline', 'drop'],
    ['offline', false],
    ['maxAttempts', 0],
    ['maxAttempts', 11],
    ['maxAttempts', 2.5],
    ['maxAttempts', '3'],
    ['order', 'FIFO'],
    ['order', null],
    ['coalesceKey', ''],
    ['coalesceKey', 'x'.repeat(129)],
    ['coalesceKey', 'a\nb'],
    ['coalesceKey', 7],
    ['coalesceKey', ['k']],
    ['coalesceKey', {}],
    ['metadata', null],
    ['metadata', []],
    ['metadata', large(4_097)],
    ['ttl', 5],
    ['deviceId', 'other'],
    ['idempotencyKey', 'k'],
    ['toString', 'x'],
    ['status', 'SUCCEEDED'],
  ])('is refused with a bad %s (%#), with a pointer to it', async (field, value) => {
    const deviceId = newDevice();
    const { status, body } = await create<ProblemBody>(deviceId, { type: 'X', [field]: value });
    expect(status).toBe(400);
    expect(body.errors).toEqual([expect.objectContaining({ pointer: `/${field}` })]);
    expect((await get(commandsUrl(deviceId))).status).toBe(404);
  });

  it('is refused with a key that would change what every object inherits', async () => {
    const answer = await create(newDevice(), '{"type": "X", "params": {"a": {"__proto__": {"polluted": true}}}}');
    expect([answer.status, answer.body]).toEqual([
      400,
      expect.objectContaining({
        code: 'BAD_JSON',
        errors: [expect.objectContaining({ pointer: '/params/a/__proto__' })],
      }),
    ]);
    expect('polluted' in {}).toBe(false);
  });

  it.each([300_000, 1_000_000, 1_100_000])('is refused as too large with %i bytes of params', async (bytes) => {
    const { status, body } = await create<ProblemBody>(newDevice(), { type: 'X', params: large(bytes) });
    expect([status, body.code]).toEqual([413, 'BODY_TOO_LARGE']);
  });

  it.each(['61', '-1', '1.5', 'soon', '', '"'])('is refused with Prefer: wait=%s', async (wait) => {
    const { status, body } = await create<ProblemBody>(newDevice(), { type: 'X' }, { prefer: `wait=${wait}` });
    expect([status, body.errors]).toEqual([400, [expect.objectContaining({ header: 'Prefer' })]]);
  });

  it('may come with preferences that are not known here', async () => {
    const { status, headers } = await create(newDevice(), { type: 'X' }, { prefer: 'return=minimal, foo="a, wait=1"' });
    expect([status, headers.get('preference-applied')]).toEqual([202, null]);
  });

  it('never shows its metadata to the device', async () => {
    const device = await TestDevice.listen(signalbox, newDevice());
    const { body } = await create(device.deviceId, { type: 'X', metadata: { who: 'me' } });
    expect(Object.keys(await device.nextCommand())).not.toContain('metadata');
    expect(body).toMatchObject({ metadata: { who: 'me' } });
    await device.end();
  });
});

describe('A device with a full queue', () => {
  it('has exactly 100 open commands of 10,000 that were asked for at once; the others are told to come back', async () => {
    const deviceId = newDevice();
    const overHttp = Promise.all(Array.from({ length: 500 }, () => create(deviceId, { type: 'X' })));
    const within = signalbox.app.get(ControlService);
    let accepted = 0;
    let next = 500;
    const ask = async () => {
      while (next++ < 10_000) {
        try {
          await within.send({ ...COMMAND_DEFAULTS, deviceId, type: 'X' }, { caller: ANYONE });
          accepted++;
        } catch (error) {
          expect(error).toMatchObject({ code: 'QUEUE_FULL' });
        }
      }
    };
    await Promise.all(Array.from({ length: 64 }, ask));
    const answers = await overHttp;
    const refused = answers.filter(({ status }) => status !== 202);
    expect(answers.length - refused.length + accepted).toBe(100);
    expect(refused.length).toBeGreaterThanOrEqual(400);
    for (const { status, headers, body } of refused) {
      expect([status, body]).toEqual([429, expect.objectContaining({ code: 'QUEUE_FULL' })]);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    }
    const open = await get<{ readonly items: readonly CommandBody[] }>(`${commandsUrl(deviceId)}?limit=1000`);
    expect(open.body.items).toHaveLength(100);
    // The end of one makes room for one.
    const device = await TestDevice.listen(signalbox, deviceId);
    const { id } = open.body.items.at(-1)!;
    await eventually('it is sent', async () => (await read(id)).attempts > 0);
    await device.answer(id, { status: 'succeeded' });
    await eventually('it has ended', async () => (await read(id)).final);
    expect((await create(deviceId, { type: 'X' })).status).toBe(202);
    expect((await create(deviceId, { type: 'X' })).status).toBe(429);
    await device.end();
  }, 120_000);
});
