import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { MqttClient } from 'mqtt';
import { newId } from '../../src/common/ids.js';
import type { CommandBody } from '../control/command-client.js';
import { eventually } from '../support/eventually.js';
import type { ProblemBody } from '../support/http.js';
import { connectMqtt } from '../support/mqtt.js';
import { type Login, TagWorld } from './tags-world.js';

interface Reply {
  readonly response?: unknown;
  readonly err?: ProblemBody;
}

/** Another service that has logged in with a key, and asks as Nest's ClientMqtt does. */
class Service {
  private readonly replies = new Map<string, Reply>();

  private constructor(private readonly client: MqttClient) {}

  static async connect(url: string, login: Login): Promise<Service> {
    const password = login.authorization.slice('Bearer '.length);
    const client = await connectMqtt(url, { clientId: `service-${login.id}`, username: login.id, password });
    const service = new Service(client);
    client.on('message', (_topic, payload) => {
      const { id, ...reply } = JSON.parse(payload.toString()) as Reply & { readonly id: string };
      service.replies.set(id, reply);
    });
    for (const topic of ['control/send', 'control/get', 'sensor/latest', 'sensor/history', 'sensor/record']) {
      await client.subscribeAsync(`services/${topic}/reply`, { qos: 1 });
    }
    return service;
  }

  async ask(topic: string, data: object): Promise<Reply> {
    const id = newId();
    await this.client.publishAsync(`services/${topic}`, JSON.stringify({ id, pattern: `services/${topic}`, data }), {
      qos: 1,
    });
    return eventually('the request is answered', () => this.replies.get(id));
  }

  async end(): Promise<void> {
    await this.client.endAsync();
  }
}

const TAGS = { site: 'a' };

let world: TagWorld;
let admin: Login;
let mine: string;
let foreign: string;
let limited: Service;
let unlimited: Service;
beforeAll(async () => {
  world = await TagWorld.start();
  admin = await world.key(['admin']);
  mine = await world.device(TAGS);
  foreign = await world.device({ site: 'b' });
  const scopes = ['telemetry:read', 'telemetry:write', 'commands:read', 'commands:send:ON'];
  limited = await Service.connect(world.signalbox.mqttUrl, await world.key(scopes, { tags: TAGS }));
  unlimited = await Service.connect(world.signalbox.mqttUrl, admin);
});
afterAll(async () => {
  await limited?.end();
  await unlimited?.end();
  await world?.stop();
});

/** What a problem says, but for what differs with every request. */
function told({ err }: Reply): object {
  const { requestId: _id, ...rest } = err!;
  return rest;
}

const rejectsOf = async (deviceId: string) =>
  (await world.get<{ readonly items: readonly object[] }>(admin, `/v1/rejects?deviceId=${deviceId}`)).body.items;

describe('a service whose key is limited to tags', () => {
  it('records readings of its devices; those of others are refused as of devices that there are not', async () => {
    const values = { temperature: 21.5 };
    const batch = [mine, foreign, 'nobody', mine].map((deviceId, i) => ({ deviceId, values, id: `reading-${i}` }));
    const { response } = await limited.ask('sensor/record', [...batch, { deviceId: foreign, values: {} }]);
    const detail = 'There is no device with this id.';
    expect(response).toEqual({
      stored: 2,
      duplicates: 0,
      rejected: [1, 2, 4].map((index) => ({ index, code: 'DEVICE_UNKNOWN', detail })),
    });
    const readings = async (login: Login, deviceId: string) =>
      (await world.get<readonly object[]>(login, `/sensors?deviceId=${deviceId}`)).body.length;
    expect([await readings(admin, mine), await readings(admin, foreign), await readings(admin, 'nobody')]).toEqual([
      2, 0, 0,
    ]);
    // Nothing is kept in the name of the device that another may not know of, and nothing is lost.
    expect(await rejectsOf(foreign)).toEqual([]);
    const { body } = await world.get<{ readonly items: readonly { readonly deviceId: string | null }[] }>(
      admin,
      '/v1/rejects?code=DEVICE_UNKNOWN',
    );
    expect(body.items.map(({ deviceId }) => deviceId)).toEqual([null, null, null]);
    expect(await unlimited.ask('sensor/record', { deviceId: foreign, values })).toMatchObject({
      response: { stored: 1 },
    });
  });

  it('reads its devices; others are answered as devices that there are not', async () => {
    for (const topic of ['sensor/latest', 'sensor/history']) {
      expect(await limited.ask(topic, { deviceId: mine })).toHaveProperty('response');
      expect(await unlimited.ask(topic, { deviceId: foreign })).toHaveProperty('response');
      const hidden = await limited.ask(topic, { deviceId: foreign });
      expect(hidden.err?.code).toBe('DEVICE_UNKNOWN');
      expect(told(hidden)).toEqual(told(await limited.ask(topic, { deviceId: 'nobody' })));
    }
  });

  it('sends commands of its type to its devices only, and finds only those', async () => {
    const sent = await limited.ask('control/send', { deviceId: mine, type: 'ON' });
    const { id } = sent.response as CommandBody;
    expect(await limited.ask('control/get', { id })).toMatchObject({ response: { id, deviceId: mine } });
    const other = await unlimited.ask('control/send', { deviceId: foreign, type: 'ON' });
    const hidden = await limited.ask('control/get', { id: (other.response as CommandBody).id });
    expect(told(hidden)).toEqual(told(await limited.ask('control/get', { id: 'nothing' })));
    const refused = await limited.ask('control/send', { deviceId: foreign, type: 'ON' });
    expect(refused.err?.code).toBe('DEVICE_UNKNOWN');
    expect(told(refused)).toEqual(told(await limited.ask('control/send', { deviceId: 'nobody', type: 'ON' })));
    expect((await limited.ask('control/send', { deviceId: mine, type: 'OFF' })).err?.code).toBe('FORBIDDEN');
    const { body } = await world.get<{ readonly items: readonly CommandBody[] }>(admin, '/v1/commands');
    expect(body.items.map(({ deviceId }) => deviceId)).toEqual([foreign, mine]);
  });

  it('shares no idempotencyKey with another key', async () => {
    const asked = { deviceId: mine, type: 'ON', idempotencyKey: 'same' };
    const ids: string[] = [];
    for (const service of [limited, unlimited, limited]) {
      ids.push(((await service.ask('control/send', asked)).response as CommandBody).id);
    }
    expect([ids[0] === ids[2], ids[0] === ids[1]]).toEqual([true, false]);
  });
});
