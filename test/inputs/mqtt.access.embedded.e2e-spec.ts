import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { IConnectPacket } from 'mqtt-packet';
import { newId } from '../../src/common/ids.js';
import { connectPacket, publishPacket, RawClient } from '../mqtt/support/raw-client.js';
import { newKeyText } from '../support/access.js';
import { eventually } from '../support/eventually.js';
import { type DeviceLogin, Stage } from './support/stage.js';

const ADMIN_KEY = newKeyText();
const REFUSED = 0x80;

let stage: Stage;
/** A device that somebody else would like to be, and its connection. */
let victim: RawClient;
let victimLogin: DeviceLogin;
beforeAll(async () => {
  stage = await Stage.start({ ACCESS: 'required', ADMIN_KEY, MQTT_DEVICE_RATE: '0' });
  victimLogin = await stage.register('victim');
  victim = await connected('victim', victimLogin);
});
afterEach(async () => {
  await victim.ping();
  await stage.holds(ADMIN_KEY, victimLogin.password);
});
afterAll(async () => {
  victim.end();
  await stage.stop();
});

const as = ({ username, password }: DeviceLogin): Partial<IConnectPacket> => ({
  username,
  password: Buffer.from(password),
});

async function connected(id: string, login: DeviceLogin): Promise<RawClient> {
  const client = await RawClient.connect(stage.service.mqttPort, id, as(login));
  expect(await client.connackCode()).toBe(0);
  return client;
}

/** Registers a new device and connects it. */
async function newDevice(): Promise<{ readonly id: string; readonly login: DeviceLogin; readonly client: RawClient }> {
  const id = newId();
  const login = await stage.register(id);
  return { id, login, client: await connected(id, login) };
}

/** The code of the CONNACK of a client that must also be closed. */
async function refusal(id: string, options: Partial<IConnectPacket>): Promise<number | null> {
  const client = await RawClient.open(stage.service.mqttPort);
  client.send(connectPacket(id, options));
  await client.closed();
  return client.connackCode();
}

describe('empty client id with clean=0 (or with clean=1 when access is required); ids with `/ + #`, NUL, 65,535 bytes, `__proto__`', () => {
  it('(empty when access is required) CONNACK 2 and close, although it asks for a clean session', async () => {
    expect(await refusal('', { clean: true, ...as(victimLogin) })).toBe(2);
  });
});

describe("another device's id; wrong password x 1,000; anonymous when access is required", () => {
  it.each<[string, string, () => Partial<IConnectPacket>]>([
    ['anonymous', 'nobody', () => ({})],
    ['anonymous with the id of a device', 'victim', () => ({})],
    ['a user name alone', 'victim', () => ({ username: 'victim' })],
    ['an unknown device', 'nobody', () => as({ username: 'nobody', password: 'x' })],
    [
      'an API key with the id of a device',
      'victim',
      () => as({ username: ADMIN_KEY.split('_')[1]!, password: ADMIN_KEY }),
    ],
    ['the credential of a device under another id', 'somebody', () => as(victimLogin)],
  ])('(%s) CONNACK 5 and close', async (_, id, options) => {
    expect(await refusal(id, options())).toBe(5);
  });

  it("(another device's id with one's own credential) CONNACK 5, and the victim stays connected", async () => {
    const { login, client } = await newDevice();
    expect(await refusal('victim', as(login))).toBe(5);
    expect(await refusal('victim', as({ ...login, username: 'victim' }))).toBe(5);
    await victim.ping();
    expect(victim.ended).toBe(false);
    client.end();
  });

  it('(wrong password x 1,000) CONNACK 5 each, the victim stays connected, and its id is locked for that address', async () => {
    const { id, login, client } = await newDevice();
    const before = stage.resident();
    let sent = 0;
    const answers: (number | null)[] = [];
    const guess = async (): Promise<void> => {
      while (sent++ < 1_000) answers.push(await refusal(id, as({ username: id, password: `guess-${sent}` })));
    };
    await Promise.all(Array.from({ length: 100 }, guess));
    expect(answers).toHaveLength(1_000);
    expect(answers.filter((code) => code !== 5 && code !== 4)).toEqual([]);
    await client.ping();
    expect(client.ended).toBe(false);
    // Whoever guesses right now is not told.
    expect(await refusal(id, as(login))).toBe(5);
    expect(stage.resident() - before).toBeLessThan(128 * 1_048_576);
    client.end();
  }, 60_000);
});

describe('will on a foreign topic, `$SYS`, wildcard, QoS 3', () => {
  it.each([
    ['another device', 'devices/victim/up/status'],
    ['its own telemetry', 'devices/{id}/up/telemetry'],
    ['its own down/', 'devices/{id}/down/commands/1'],
    ['a topic of nobody', 'demo/x'],
    ['requests of services', 'services/control/send'],
    ['$SYS', '$SYS/x'],
    ['a wildcard', 'devices/+/up/status'],
  ])('(a will on %s) CONNECT refused, and nothing published', async (_, topic) => {
    const { id, login, client } = await newDevice();
    client.end();
    const will = {
      topic: topic.replace('{id}', id),
      payload: Buffer.from('{"online": false}'),
      qos: 1 as const,
      retain: true,
    };
    expect(await refusal(id, { ...as(login), will })).toBe(5);
    const { body } = await stage.get<{ items: unknown[] }>(`/v1/rejects?deviceId=victim,${id}`);
    expect(body.items).toEqual([]);
  });
});

describe('PUBLISH to wildcard, empty, long, deep, control-character, `$`-topic, another device, own `down/`', () => {
  it.each([
    ['another device', 'devices/victim/up/telemetry'],
    ['the status of another device', 'devices/victim/up/status'],
    ['its own down/', 'devices/{id}/down/commands/1'],
    ['the down/ of another device', 'devices/victim/down/commands/1'],
    ['requests of services', 'services/control/send'],
    ['a topic of nobody', 'demo/x'],
    ['foreign topics of another device', 'poc/victim/sensor'],
  ])('(%s) refused, closed, counted, nothing stored, by a device that may not', async (_, topic) => {
    await victim.subscribe(1, 'devices/victim/down/#');
    const { id, client, login } = await newDevice();
    client.end();
    for (const qos of [0, 1, 2] as const) {
      const before = (await stage.broker())['refused.topic'] ?? 0;
      const sender = await connected(id, login);
      sender.send(
        publishPacket(topic.replace('{id}', id), '{"t": 1}', qos, qos === 0 ? undefined : 1, { retain: qos === 1 }),
      );
      await sender.closed();
      expect(sender.received.map(({ cmd }) => cmd)).toEqual(['connack']);
      await eventually('counted', async () => (await stage.broker())['refused.topic'] === before + 1);
    }
    for (const path of ['/messages', '/sensors?deviceId=victim', `/sensors?deviceId=${id}`, '/v1/commands']) {
      const { body } = await stage.get<unknown[] | { items: unknown[] }>(path);
      expect([path, 'items' in body ? body.items : body]).toEqual([path, []]);
    }
    await victim.ping();
    expect(victim.of('publish')).toEqual([]);
  });
});

describe('SUBSCRIBE `#`, `$SYS/#`, `+/+`, another device, `$share/..`, 8,000 filters, 20,000 over time', () => {
  it.each([
    '#',
    '+/+',
    '$SYS/#',
    '+/+/#',
    'devices/#',
    'devices/+/down/#',
    'devices/+/down/commands/+',
    'devices/victim/down/#',
    'devices/victim/up/#',
    'devices/{id}/#',
    '$share/g/devices/{id}/down/#',
    'services/#',
    'demo/#',
    'poc/+/control',
  ])('(%s) 0x80, and nothing comes by it', async (filter) => {
    const { id, client } = await newDevice();
    const granted = await client.subscribe(1, filter.replace('{id}', id), `devices/${id}/down/#`);
    expect(granted).toEqual([REFUSED, 1]);
    victim.send(publishPacket('devices/victim/up/telemetry', '{"t": 1}', 1, 1));
    await victim.next('puback', victim.of('puback').length + 1);
    await client.ping();
    expect(client.of('publish')).toEqual([]);
    client.end();
  });
});
