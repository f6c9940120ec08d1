import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ANYONE, BROKER } from '../../src/common/access.js';
import { newId } from '../../src/common/ids.js';
import { TopicConfig } from '../../src/config/topic.config.js';
import { COMMAND_DEFAULTS } from '../../src/control/command.js';
import { CommandDispatcher } from '../../src/control/command.dispatcher.js';
import { CommandJournal } from '../../src/control/command.journal.js';
import { CommandRepository } from '../../src/control/command.repository.js';
import { CommandSender } from '../../src/control/command.sender.js';
import { CommandWaiter } from '../../src/control/command.waiter.js';
import { CommandWire } from '../../src/control/command.wire.js';
import { ControlService } from '../../src/control/control.service.js';
import { RegistryService } from '../../src/device/registry.service.js';
import { AdmissionService } from '../../src/device/admission.service.js';
import { DeviceService } from '../../src/device/device.service.js';
import { MqttLink } from '../../src/mqtt/link.js';
import { MqttPublisher } from '../../src/mqtt/publisher.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { hasExternalBroker } from '../support/backends.js';
import { eventually } from '../support/eventually.js';
import { get } from '../support/http.js';
import { connectDevice, connectMqtt, listenTo } from '../support/mqtt.js';
import { NestClient } from './nest-client.js';
import { publishStored } from './stored.js';

interface Command {
  readonly id: string;
  readonly deviceId: string;
  readonly type: string;
  readonly params: unknown;
  readonly status: string;
}

const DAY = 86_400_000;

let signalbox: TestApp;
let service: NestClient;
beforeAll(async () => {
  signalbox = await createTestApp({ MQTT_DEVICE_RATE: '0' });
  service = await NestClient.connect(signalbox.mqttUrl);
});
afterAll(async () => {
  await service.close();
  await signalbox.close();
});

const send = (data: object, client = service) => client.send<Command>('services/control/send', data);
const read = (id: string) => service.send<Command>('services/control/get', { id });
const newDevice = () => `device-${newId()}`;
const isSent = (id: string) => eventually('the command is SENT', async () => (await read(id)).status === 'SENT');

async function commandsOf(deviceId: string): Promise<string[]> {
  const { scan } = signalbox.database;
  const rows = await scan.selectFrom('commands').select('id').where('device_id', '=', deviceId).execute();
  return rows.map(({ id }) => id);
}

/** A device that has used its native topics, and what it is sent from now on. */
async function nativeDevice(deviceId: string) {
  const device = await connectMqtt(signalbox.mqttUrl);
  const listener = await listenTo(device, `devices/${deviceId}/down/commands/+`);
  await publishStored(signalbox, device, deviceId, { t: 1 });
  return { ...listener, end: () => device.endAsync() };
}

/** A control service that shares the database and the broker with that of the application, and nothing else. */
function secondService({ app, database }: TestApp): { readonly replica: ControlService; stop(): void } {
  const [devices, link] = [app.get(DeviceService), app.get(MqttLink)];
  const admission = app.get(AdmissionService, { strict: false });
  const commands = new CommandRepository(database);
  const journal = new CommandJournal(commands);
  const wire = new CommandWire(app.get(TopicConfig));
  const sender = new CommandSender(commands, journal, devices, admission, wire, app.get(MqttPublisher), link);
  const dispatcher = new CommandDispatcher(commands, journal, sender, devices, admission, link);
  const waiter = new CommandWaiter(commands, journal, database);
  const replica = new ControlService(
    commands,
    journal,
    dispatcher,
    sender,
    waiter,
    wire,
    devices,
    app.get(RegistryService),
  );
  return { replica, stop: () => dispatcher.onModuleDestroy() };
}

describe('services/control/send and get', () => {
  it('send a command to its device, and answer with the command as REST shows it', async () => {
    const deviceId = newDevice();
    const device = await nativeDevice(deviceId);
    const command = await send({ deviceId, type: 'TURN_ON', params: { speed: 3 } });
    expect(command).toMatchObject({ deviceId, type: 'TURN_ON', params: { speed: 3 }, status: 'PENDING', attempts: 0 });
    const wire = await device.next('the command', ({ topic }) => topic.endsWith(command.id));
    expect(JSON.parse(wire.payload)).toMatchObject({ id: command.id, type: 'TURN_ON', params: { speed: 3 } });
    await isSent(command.id);
    expect(await read(command.id)).toEqual((await get(`${signalbox.httpUrl}/v1/commands/${command.id}`)).body);
    await device.end();
  });

  it('take all that a command may have, within the bounds that it has over HTTP', async () => {
    const deviceId = newDevice();
    const options = {
      ttlMs: 5_000,
      resultTimeoutMs: 1_000,
      mode: 'ack',
      maxAttempts: 1,
      order: 'fifo',
      coalesceKey: 'k',
    };
    const command = await send({ deviceId, type: 'X', offline: 'queue', metadata: { who: 'me' }, ...options });
    expect(command).toMatchObject({ mode: 'ack', metadata: { who: 'me' } });
    const { scan } = signalbox.database;
    const row = await scan.selectFrom('commands').selectAll().where('id', '=', command.id).executeTakeFirstOrThrow();
    expect(row).toMatchObject({ result_timeout_ms: 1_000, max_attempts: 1, order: 'fifo', coalesce_key: 'k' });
    expect(row.expires_at - row.created_at).toBe(5_000);
  });

  it('answer a command that there is not with COMMAND_UNKNOWN', async () => {
    expect(await service.refused('services/control/get', { id: newId() })).toEqual({
      type: 'urn:signalbox:error:COMMAND_UNKNOWN',
      title: expect.any(String),
      status: 404,
      detail: expect.any(String),
      instance: 'services/control/get',
      code: 'COMMAND_UNKNOWN',
      requestId: expect.any(String),
    });
  });

  it.each([
    [{ deviceId: 'd' }, '/type'],
    [{ type: 'X' }, '/deviceId'],
    [{ deviceId: 'd', type: 'X', params: [] }, '/params'],
    [{ deviceId: '../d', type: 'X' }, '/deviceId'],
    [{ deviceId: 'd', type: 'X', mode: 'never' }, '/mode'],
    [{ deviceId: 'd', type: 'X', ttlMs: 999 }, '/ttlMs'],
    [{ deviceId: 'd', type: 'X', ttlMs: '60000' }, '/ttlMs'],
    [{ deviceId: 'd', type: 'X', maxAttempts: 11 }, '/maxAttempts'],
    [{ deviceId: 'd', type: 'X', coalesceKey: '' }, '/coalesceKey'],
    [{ deviceId: 'd', type: 'X', metadata: null }, '/metadata'],
    [{ deviceId: 'd', type: 'X', wait: 5 }, '/wait'],
    [{ deviceId: 'd', type: 'X', idempotencyKey: '' }, '/idempotencyKey'],
    [{ deviceId: 'd', type: 'X', idempotencyKey: 7 }, '/idempotencyKey'],
    [{ deviceId: 'd', type: 'X', idempotencyKey: 'x'.repeat(256) }, '/idempotencyKey'],
    [[], ''],
    ['text', ''],
  ])('refuse %j with a pointer to what is wrong', async (data, pointer) => {
    const problem = await service.refused('services/control/send', data);
    expect(problem).toMatchObject({ code: 'VALIDATION_FAILED', status: 400, errors: [{ pointer }] });
  });

  it('refuse what cannot be a command for that device with BAD_COMMAND', async () => {
    const foreign = newDevice();
    const device = await connectDevice(signalbox.mqttUrl);
    await device.publish(`poc/${foreign}/sensor`, '{"t": 1}');
    await device.end();
    const data = { deviceId: foreign, type: 'X', params: { command: 'Y' } };
    expect(await service.refused('services/control/send', data)).toMatchObject({ code: 'BAD_COMMAND', status: 400 });
    const large = { deviceId: newDevice(), type: 'X', params: { text: 'x'.repeat(32_768) } };
    expect(await service.refused('services/control/send', large)).toMatchObject({ errors: [{ pointer: '/params' }] });
  });

  it('refuse JSON that no database should see', async () => {
    const data = { deviceId: 'd', type: 'X', params: { text: '\u0000' } };
    expect(await service.refused('services/control/send', data)).toMatchObject({
      code: 'BAD_JSON',
      errors: [{ pointer: '/params/text' }],
    });
  });

  it('answer 200 requests at once, each client with its own answers', async () => {
    const other = await NestClient.connect(signalbox.mqttUrl);
    const [one, two] = [newDevice(), newDevice()];
    const requests = Array.from({ length: 200 }, (_, i) => ({
      client: i % 2 ? service : other,
      data: { deviceId: i % 2 ? one : two, type: 'X', params: { i } },
    }));
    const commands = await Promise.all(requests.map(({ client, data }) => send(data, client)));
    expect(commands.map(({ deviceId, params }) => ({ deviceId, type: 'X', params }))).toEqual(
      requests.map(({ data }) => data),
    );
    expect(new Set(commands.map(({ id }) => id)).size).toBe(200);
    await other.close();
  });
});

describe('An idempotencyKey', () => {
  it('gives a repeat the same command as it is now', async () => {
    const data = { deviceId: newDevice(), type: 'X', params: { a: 1, b: 2 }, idempotencyKey: newId() };
    const device = await nativeDevice(data.deviceId);
    const { id } = await send(data);
    await isSent(id);
    expect(await send({ ...data, params: { b: 2, a: 1 } })).toMatchObject({ id, status: 'SENT', attempts: 1 });
    expect(await commandsOf(data.deviceId)).toEqual([id]);
    await device.end();
  });

  it('is refused with another body', async () => {
    const data = { deviceId: newDevice(), type: 'X', idempotencyKey: newId() };
    await send(data);
    const problem = await service.refused('services/control/send', { ...data, type: 'Y' });
    expect(problem).toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED', status: 422 });
    expect(await commandsOf(data.deviceId)).toHaveLength(1);
  });

  it('is refused with other options, and not with a default that is said', async () => {
    const data = { deviceId: newDevice(), type: 'X', ttlMs: 5_000, idempotencyKey: newId() };
    const { id } = await send(data);
    expect(await send({ ...data, mode: 'result', metadata: {}, params: {} })).toMatchObject({ id });
    const problem = await service.refused('services/control/send', { ...data, ttlMs: 5_001 });
    expect(problem).toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED', status: 422 });
  });

  it('is not kept by a create that was refused', async () => {
    const idempotencyKey = newId();
    const bad = { deviceId: newDevice(), type: 'X', params: { text: 'x'.repeat(32_768) }, idempotencyKey };
    await service.refused('services/control/send', bad);
    await send({ ...bad, params: {} });
  });

  it('makes one command and one publish of 100 requests at once, and of two replicas', async () => {
    const deviceId = newDevice();
    const device = await nativeDevice(deviceId);
    // A second service on the same database shares nothing else with the first, as another replica does.
    const second = secondService(signalbox);
    const request = { deviceId, type: 'X', params: {} };
    const idempotencyKey = newId();
    const caller = hasExternalBroker ? BROKER : ANYONE;
    const answers = await Promise.all(
      Array.from({ length: 100 }, async (_, i) =>
        i % 2
          ? (await send({ ...request, idempotencyKey })).id
          : (
              await second.replica.send(
                { ...COMMAND_DEFAULTS, ...request },
                { caller, key: { caller: `services:${caller.id}`, key: idempotencyKey, content: request } },
              )
            ).command.id,
      ),
    );
    expect(new Set(answers).size).toBe(1);
    expect(await commandsOf(deviceId)).toEqual([answers[0]]);
    await isSent(answers[0]!);
    const last = await send({ ...request, type: 'LAST' });
    await device.next('the last command', ({ topic }) => topic.endsWith(last.id));
    expect(device.received.map(({ topic }) => topic.split('/').at(-1))).toEqual([answers[0], last.id]);
    second.stop();
    await device.end();
  });

  it('is forgotten after 24 hours', async () => {
    const data = { deviceId: newDevice(), type: 'X', idempotencyKey: newId() };
    const first = await send(data);
    const { database } = signalbox;
    const age = (created_at: number) =>
      database.write([
        database.sql.updateTable('idempotency_keys').set({ created_at }).where('command_id', '=', first.id).compile(),
      ]);
    await age(Date.now() - DAY + 60_000);
    expect((await send(data)).id).toBe(first.id);
    await age(Date.now() - DAY);
    const second = await send({ ...data, type: 'Y' });
    expect(second.id).not.toBe(first.id);
    expect((await send({ ...data, type: 'Y' })).id).toBe(second.id);
  });
});

describe('A request that the broker delivers again', () => {
  const topic = 'services/control/send';

  async function publishTwice(id: string, data: readonly [object, object], qos: 0 | 1): Promise<void> {
    const client = await connectMqtt(signalbox.mqttUrl);
    const replies = await listenTo(client, `${topic}/reply`);
    for (const one of data)
      await client.publishAsync(topic, JSON.stringify({ pattern: topic, data: one, id }), { qos });
    await eventually('both are answered', () => replies.received.length === 2);
    expect(replies.received.map(({ payload }) => (JSON.parse(payload) as { id: string }).id)).toEqual([id, id]);
    await client.endAsync();
  }

  it('makes one command, although it has no key', async () => {
    const data = { deviceId: newDevice(), type: 'X' };
    await publishTwice('tcx1v0q9m3b7z5k2j8h4f', [data, data], 1);
    expect(await commandsOf(data.deviceId)).toHaveLength(1);
  });

  it('is told from another one that counts its requests, or uses an id for two', async () => {
    const [one, two, three] = [newDevice(), newDevice(), newDevice()];
    const ask = (deviceId: string, type = 'X') => ({ deviceId, type });
    await publishTwice('17', [ask(one), ask(one)], 1);
    expect(await commandsOf(one)).toHaveLength(2);
    await publishTwice('tcx1v0q9m3b7z5k2j8h4g', [ask(two), ask(two, 'Y')], 1);
    expect(await commandsOf(two)).toHaveLength(2);
    await publishTwice('tcx1v0q9m3b7z5k2j8h4h', [ask(three), ask(three)], 0);
    expect(await commandsOf(three)).toHaveLength(2);
  });
});
