import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ANYONE } from '../../src/common/access.js';
import { COMMAND_DEFAULTS } from '../../src/control/command.js';
import { ControlService } from '../../src/control/control.service.js';
import { MqttPublisher } from '../../src/mqtt/publisher.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { get, post, type ProblemBody } from '../support/http.js';
import { connectDevice, type Device, listenTo } from '../support/mqtt.js';

interface Command {
  readonly id: string;
  readonly command?: string;
  readonly deviceId: string;
  readonly status: string;
  readonly final: boolean;
  readonly outcome: string;
  readonly attempts: number;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly history: readonly { readonly status: string; readonly at: string; readonly attempt?: number }[];
}

let signalbox: TestApp;
let device: Device;
beforeAll(async () => {
  signalbox = await createTestApp();
  device = await connectDevice(signalbox.mqttUrl);
});
afterAll(async () => {
  await device.end();
  await signalbox.close();
});

const url = (path: string) => `${signalbox.httpUrl}${path}`;
const control = (body: unknown) => post<Command>(url('/control'), body);
const read = async (id: string) => (await get<Command>(url(`/v1/commands/${id}`))).body;
const sent = (id: string) =>
  eventually('the command is SENT', async () => {
    const command = await read(id);
    return command.status === 'SENT' && command;
  });

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

describe('POST /control', () => {
  it('answers 202 with the whole command resource, its name and its place', async () => {
    const { status, headers, body } = await control({ command: 'TURN_ON_FAN' });
    expect(status).toBe(202);
    expect(headers.get('location')).toBe(`/v1/commands/${body.id}`);
    expect(body).toEqual({
      command: 'TURN_ON_FAN',
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
      deviceId: 'device',
      type: 'TURN_ON_FAN',
      params: {},
      mode: 'none',
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
  });

  it('sends a foreign device its command on its own topic and ends at SENT', async () => {
    const listener = await listenTo(device.client, 'poc/fan/control');
    const { body } = await control({ command: 'SET_SPEED', deviceId: 'fan', params: { speed: 3, constructor: 'x' } });
    const message = await listener.next('the command');
    expect(JSON.parse(message.payload)).toEqual({ command: 'SET_SPEED', speed: 3, constructor: 'x' });
    expect(await sent(body.id)).toMatchObject({
      final: true,
      outcome: 'unknown',
      attempts: 1,
      history: [{ status: 'PENDING' }, { status: 'SENT', attempt: 1 }],
    });
  });

  it('sends a device that was seen natively its command on its native topic, and waits for an answer', async () => {
    await device.publish('devices/pump/up/telemetry', '{"pressure": 2}');
    const listener = await listenTo(device.client, 'devices/pump/down/commands/+');
    const { body } = await control({ command: 'stop', deviceId: 'pump', params: { why: 'test' } });
    const message = await listener.next('the command');
    const wire = JSON.parse(message.payload) as Record<string, unknown>;
    expect(message.topic).toBe(`devices/pump/down/commands/${body.id}`);
    expect(wire).toEqual({
      id: body.id,
      type: 'stop',
      params: { why: 'test' },
      attempt: 1,
      expiresAt: body.expiresAt,
      ttlMs: expect.any(Number),
    });
    expect(wire['ttlMs']).toBeGreaterThan(50_000);
    expect(wire['ttlMs']).toBeLessThanOrEqual(60_000);
    expect(await sent(body.id)).toMatchObject({ mode: 'result', final: false, outcome: 'unknown' });
  });

  it('has counted the attempt, and nothing more, at the moment of the publish', async () => {
    const publisher = signalbox.app.get(MqttPublisher);
    const publish = publisher.publish.bind(publisher);
    const atPublish: Command[] = [];
    const spy = jest.spyOn(publisher, 'publish').mockImplementation(async (message) => {
      const { id } = (await signalbox.database.point
        .selectFrom('commands')
        .select('id')
        .orderBy('seq', 'desc')
        .executeTakeFirst())!;
      atPublish.push(await read(id));
      expect(message.qos).toBe(1);
      await publish(message);
    });
    const { body } = await control({ command: 'X', deviceId: 'watched' });
    await sent(body.id);
    spy.mockRestore();
    expect(atPublish).toMatchObject([{ id: body.id, status: 'PENDING', attempts: 1, outcome: 'unknown' }]);
  });

  it('says SENT only of what the broker accepted', async () => {
    const publisher = signalbox.app.get(MqttPublisher);
    let refused = false;
    const spy = jest.spyOn(publisher, 'publish').mockImplementation(async () => {
      refused = true;
      throw new Error('the broker is away');
    });
    const { body } = await control({ command: 'X', deviceId: 'unlucky' });
    await eventually('the publish was tried', () => refused);
    spy.mockRestore();
    await sent((await control({ command: 'Y', deviceId: 'unlucky' })).body.id);
    expect(await read(body.id)).toMatchObject({ status: 'PENDING', attempts: 1, outcome: 'unknown', final: false });
  });

  it('does not take our own commands for readings', async () => {
    const rejects = async () => (await get<{ items: unknown[] }>(url('/v1/rejects'))).body.items.length;
    const before = await rejects();
    const { body } = await control({ command: 'X', deviceId: 'quiet' });
    await sent(body.id);
    expect(await rejects()).toBe(before);
  });

  it.each([
    ['no command', {}, '/command'],
    ['an empty command', { command: '' }, '/command'],
    ['a number as command', { command: 5 }, '/command'],
    ['a command with blanks', { command: 'TURN ON' }, '/command'],
    ['a long command', { command: 'x'.repeat(65) }, '/command'],
    ['a device id with a slash', { command: 'X', deviceId: 'a/b' }, '/deviceId'],
    ['__proto__ as device', { command: 'X', deviceId: '__proto__' }, '/deviceId'],
    ['null as device', { command: 'X', deviceId: null }, '/deviceId'],
    ['null as params', { command: 'X', params: null }, '/params'],
    ['params as array', { command: 'X', params: [] }, '/params'],
    ['params as text', { command: 'X', params: 'on' }, '/params'],
    ['params with a command', { command: 'X', params: { command: 'Y' } }, '/params'],
    ['params over 32 KiB', { command: 'X', params: { a: 'x'.repeat(32_768) } }, '/params'],
    ['an unknown field', { command: 'X', ttl: 5 }, '/ttl'],
  ])('refuses %s and points at it', async (_, body, pointer) => {
    const answer = await post<ProblemBody>(url('/control'), body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors![0]).toMatchObject({ pointer });
  });
});

describe('GET /v1/commands/{id}', () => {
  it('answers 404 for an id that was never given', async () => {
    const { status, body } = await get<ProblemBody>(url('/v1/commands/019aa7c0-7d7e-7cc2-9f52-1f4ad2f3a9c1'));
    expect([status, body.code]).toEqual([404, 'COMMAND_UNKNOWN']);
  });

  it('says SENT of every command that was accepted before a stop', async () => {
    const first = await createTestApp({}, `${signalbox.dataDir}-stop`);
    const service = first.app.get(ControlService);
    const commands = await Promise.all(
      Array.from({ length: 300 }, (_, i) =>
        service.send(
          { ...COMMAND_DEFAULTS, deviceId: `device-${i % 3}`, type: 'X' },
          { caller: ANYONE, unseen: 'foreign' },
        ),
      ),
    );
    // At this moment all 300 are committed and on their way.
    await first.close();
    const second = await createTestApp({}, first.dataDir);
    for (const {
      command: { id },
    } of commands) {
      expect((await get(`${second.httpUrl}/v1/commands/${id}`)).body).toMatchObject({ status: 'SENT', attempts: 1 });
    }
    await second.close();
  });

  it('reads a command back after a restart', async () => {
    const first = await createTestApp({}, `${signalbox.dataDir}-commands`);
    const { body } = await post<Command>(`${first.httpUrl}/control`, { command: 'X' });
    const before = await eventually('the command is SENT', async () => {
      const answer = await get<Command>(`${first.httpUrl}/v1/commands/${body.id}`);
      return answer.body.status === 'SENT' && answer.body;
    });
    await first.close();
    const second = await createTestApp({}, first.dataDir);
    expect((await get(`${second.httpUrl}/v1/commands/${body.id}`)).body).toEqual(before);
    await second.close();
  });
});
