import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newKeyId, newSecret } from '../../src/common/secrets.js';
import { MqttLink } from '../../src/mqtt/link.js';
import { type RequiredApp, startRequired } from '../support/access.js';
import { eventually } from '../support/eventually.js';
import { connectMqtt } from '../support/mqtt.js';
import { type Authority, makeAuthority } from './support/certificates.js';
import { attempt, type Login, login } from './support/login-attempt.js';
import { connectPacket, encode, publishPacket, RawClient } from './support/raw-client.js';
import {
  type DeviceLogin,
  makeKey,
  registerDevice,
  type Rows,
  rowsOf,
  type ServiceLogin,
} from './support/registered.js';

describe('A login', () => {
  let box: RequiredApp;
  let rows: Rows;
  let directory: string;
  let authority: Authority;
  let device: DeviceLogin;
  let service: ServiceLogin;
  let devices = 0;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'signalbox-login-'));
    authority = makeAuthority(directory, 'ca');
    const server = authority.issue('server', 'IP:127.0.0.1');
    box = await startRequired({
      MQTT_TLS_PORT: '0',
      MQTT_TLS_CERT: server.cert,
      MQTT_TLS_KEY: server.key,
      MQTT_TLS_CA: authority.ca,
    });
    rows = rowsOf(box.database);
  });
  afterAll(async () => {
    await box.close();
    rmSync(directory, { recursive: true, force: true });
  });
  beforeEach(async () => {
    device = await registerDevice(rows, `device-${++devices}`);
    service = await makeKey(rows, ['telemetry:read']);
  });

  const counter = (name: string): number => box.app.get(MqttLink).counters[name] ?? 0;
  const code = async (id: string, options: Login): Promise<number | null> =>
    (await attempt(box.mqttPort, id, options))[0];

  it('of a device is its id twice and its credential', async () => {
    expect(await code(device.id, login(device.id, device.password))).toBe(0);
  });

  it('of a service is the id of its key and the key, under a client id of its choice', async () => {
    for (const id of ['some-service', service.id]) {
      expect(await code(id, login(service.username, service.password))).toBe(0);
    }
  });

  const REFUSED: readonly (readonly [string, () => Promise<readonly [string, Login]>])[] = [
    ['without user name and password', async () => ['anonymous', {}]],
    ['without both under the id of a device', async () => [device.id, {}]],
    ['without a password', async () => [device.id, { username: device.id }]],
    ['with an empty password', async () => [device.id, login(device.id, '')]],
    ['with a wrong password', async () => [device.id, login(device.id, newSecret())]],
    ['of a device that does not exist', async () => ['nobody', login('nobody', newSecret())]],
    [
      'with the password of another device',
      async () => {
        const other = await registerDevice(rows, `other-${devices}`);
        return [device.id, login(device.id, other.password)];
      },
    ],
    ['of a device under another client id', async () => ['another-id', login(device.id, device.password)]],
    [
      'under the id of a device with the login of another',
      async () => {
        const other = await registerDevice(rows, `other-${devices}`);
        return [device.id, login(other.id, other.password)];
      },
    ],
    ['of a service under the id of a device', async () => [device.id, login(service.id, service.password)]],
    ['with a key under another user name', async () => ['service', login(newKeyId(), service.password)]],
    ['with a key under the user name of its client id', async () => ['service', login('service', service.password)]],
    ['with a wrong secret in a key', async () => ['service', login(service.id, `sbx_${service.id}_${newSecret()}`)]],
    ['with the secret of a key alone', async () => ['service', login(service.id, service.password.slice(-43))]],
    [
      'with a key that has expired',
      async () => {
        const expired = await makeKey(rows, ['telemetry:read'], Date.now() - 1);
        return ['service', login(expired.id, expired.password)];
      },
    ],
    [
      'with a credential that has expired',
      async () => {
        const { sql } = rows;
        const past = Date.now() - 1;
        await rows.write([
          sql.updateTable('credentials').set({ expires_at: past }).where('id', '=', device.credentialId).compile(),
        ]);
        return [device.id, login(device.id, device.password)];
      },
    ],
    [
      'of a device that is disabled',
      async () => {
        await rows.write([rows.sql.updateTable('devices').set({ enabled: 0 }).where('id', '=', device.id).compile()]);
        return [device.id, login(device.id, device.password)];
      },
    ],
    [
      'of a device that is not approved',
      async () => {
        await rows.write([rows.sql.updateTable('devices').set({ approved: 0 }).where('id', '=', device.id).compile()]);
        return [device.id, login(device.id, device.password)];
      },
    ],
    ['with a password of 3 KiB', async () => [device.id, login(device.id, 'x'.repeat(3_000))]],
    [
      'with a password of any bytes',
      async () => [device.id, { username: device.id, password: Buffer.from([0, 255, 10]) }],
    ],
  ];

  it.each(REFUSED)('%s is refused with CONNACK 5, not before 100 ms, and counted', async (_, make) => {
    const [id, options] = await make();
    const before = counter('refused.login');
    const [refused, took] = await attempt(box.mqttPort, id, options, `127.0.1.${devices}`);
    expect(refused).toBe(5);
    expect(took).toBeGreaterThan(99);
    expect(counter('refused.login')).toBe(before + 1);
  });

  it('without a client id is refused with CONNACK 2, whatever session it asks for', async () => {
    for (const clean of [true, false]) {
      const client = await RawClient.open(box.mqttPort);
      const packet = encode(connectPacket('x', login(service.id, service.password, { clean })));
      // The id away: mqtt-packet would refuse to write that.
      const at = packet.indexOf(Buffer.from([0, 1, 0x78]));
      const bytes = Buffer.concat([packet.subarray(0, at), Buffer.from([0, 0]), packet.subarray(at + 3)]);
      bytes[1] = bytes.length - 2;
      client.send(
        bytes.length < 128
          ? bytes
          : Buffer.concat([Buffer.from([0x10, (bytes.length - 3) | 0x80, 1]), bytes.subarray(3)]),
      );
      expect(await client.connackCode()).toBe(2);
      await client.closed();
    }
  });

  it('keeps what was sent behind it until it is judged: stored where it is good, and nothing where it is not', async () => {
    const reading = (value: number) => publishPacket(`devices/${device.id}/up/telemetry`, `{"v": ${value}}`, 1, 1);
    const [good, bad] = [await RawClient.open(box.mqttPort), await RawClient.open(box.mqttPort)];
    bad.send(connectPacket(device.id, login(device.id, newSecret())), reading(1), reading(2));
    good.send(connectPacket(device.id, login(device.id, device.password)), reading(3));
    await good.next('puback');
    await bad.closed();
    expect([await bad.connackCode(), bad.of('puback').length]).toEqual([5, 0]);
    const { body } = await box.admin.get<{ payload: unknown }[]>(`/sensors?deviceId=${device.id}`);
    expect(body.map(({ payload }) => payload)).toEqual([{ v: 3 }]);
    good.end();
  });

  it('that fails takes nothing from whoever has the id, and one that is good takes it over', async () => {
    const victim = await RawClient.connect(box.mqttPort, device.id, login(device.id, device.password));
    for (let i = 0; i < 8; i++) {
      const [refused] = await attempt(box.mqttPort, device.id, login(device.id, newSecret()), '127.0.2.1');
      expect(refused).toBe(5);
    }
    await victim.ping();
    const next = await RawClient.connect(box.mqttPort, device.id, login(device.id, device.password));
    await victim.closed();
    await next.ping();
    next.end();
  });

  it('of a service takes a client id over from the same login, and from no other', async () => {
    const [first, other] = [service, await makeKey(rows, ['telemetry:read'])];
    const there = await RawClient.connect(box.mqttPort, 'backend', login(first.username, first.password));
    for (let i = 0; i < 16; i++) {
      expect((await attempt(box.mqttPort, 'backend', login(other.username, other.password)))[0]).toBe(2);
    }
    await there.ping();
    const again = await RawClient.connect(box.mqttPort, 'backend', login(first.username, first.password));
    await there.closed();
    again.send({ cmd: 'disconnect' });
    await again.closed();
    await eventually(
      'the id is free',
      async () => (await attempt(box.mqttPort, 'backend', login(other.username, other.password)))[0] === 0,
    );
  });

  it('of a device is also its certificate, without a user name or with its id', async () => {
    const url = box.app.get(MqttLink).urls.find((one) => one.startsWith('mqtts:'))!;
    const { cert, key } = authority.issue(device.id);
    const stranger = authority.issue('stranger');
    const tls = (pair: { readonly cert: string; readonly key: string }) => ({
      ca: readFileSync(authority.ca),
      cert: readFileSync(pair.cert),
      key: readFileSync(pair.key),
    });
    const own = tls({ cert, key });
    for (const username of [undefined, device.id]) {
      const named = username === undefined ? {} : { username };
      const client = await connectMqtt(url, { ...own, ...named, clientId: device.id });
      await client.publishAsync(`devices/${device.id}/up/telemetry`, '{"v": 1}', { qos: 1 });
      const [granted] = await client.subscribeAsync(`devices/${device.id}/down/#`, { qos: 1 });
      expect(granted!.qos).toBe(1);
      await client.endAsync();
    }
    // The certificate of one is no login for another, a wrong user name none at all, and neither is one of nobody.
    const others = [
      { ...own, clientId: 'somebody-else' },
      { ...own, clientId: device.id, username: 'somebody-else' },
      { ...tls(stranger), clientId: 'stranger' },
      { ...tls(stranger), clientId: device.id },
    ];
    for (const options of others) await expect(connectMqtt(url, options)).rejects.toThrow('Not authorized');
    await rows.write([rows.sql.updateTable('devices').set({ enabled: 0 }).where('id', '=', device.id).compile()]);
    await expect(connectMqtt(url, { ...own, clientId: device.id })).rejects.toThrow('Not authorized');
    // Whoever has shown a certificate may still log in as a service.
    const known = { username: service.id, password: service.password, clientId: 'gateway' };
    await (await connectMqtt(url, { ...tls(stranger), ...known })).endAsync();
  });
});
