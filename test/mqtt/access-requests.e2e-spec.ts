import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { IConnectPacket } from 'mqtt-packet';
import { MqttLink } from '../../src/mqtt/link.js';
import { type RequiredApp, startRequired } from '../support/access.js';
import { eventually } from '../support/eventually.js';
import { login } from './support/login-attempt.js';
import { publishPacket, RawClient } from './support/raw-client.js';
import { makeKey, registerDevice, type Rows, rowsOf, type ServiceLogin } from './support/registered.js';

describe('Where clients log in, Signalbox', () => {
  let box: RequiredApp;
  let rows: Rows;
  let clients = 0;
  beforeAll(async () => {
    box = await startRequired();
    rows = rowsOf(box.database);
  });
  afterAll(async () => {
    await box.close();
  });

  const counter = (name: string): number => box.app.get(MqttLink).counters[name] ?? 0;
  const open = (id: string, { username, password }: ServiceLogin, more: Partial<IConnectPacket> = {}) =>
    RawClient.connect(box.mqttPort, id, login(username, password, more));
  const service = (key: ServiceLogin, more: Partial<IConnectPacket> = {}) => open(`service-${++clients}`, key, more);

  it('hands the answer to a request to the client that asked, and to nobody else who may listen', async () => {
    const key = await makeKey(rows, ['telemetry:read']);
    const admin = await service(await makeKey(rows, ['admin']));
    await admin.subscribe(1, '#');
    const [caller, other, stored] = await Promise.all([
      service(key),
      service(key),
      open('stored', key, { clean: false }),
    ]);
    const reply = 'services/sensor/latest/reply';
    for (const client of [caller, other, stored]) await client.subscribe(1, reply);
    stored.send({ cmd: 'disconnect' });
    await stored.closed();
    const seen = admin.of('publish').length;
    const request = JSON.stringify({ pattern: 'services/sensor/latest', data: { deviceId: 'nobody' }, id: 'r1' });
    caller.send(publishPacket('services/sensor/latest', request, 1, 1));
    const answer = await caller.next('publish');
    expect([answer.topic, JSON.parse(answer.payload.toString())]).toMatchObject([reply, { id: 'r1' }]);
    await Promise.all([other.ping(), admin.ping()]);
    expect(other.of('publish')).toEqual([]);
    expect(
      admin
        .of('publish')
        .slice(seen)
        .filter(({ topic }) => topic === reply),
    ).toEqual([]);
    const back = await open('stored', key, { clean: false });
    expect(await back.next('connack')).toMatchObject({ sessionPresent: true });
    await back.ping();
    expect(back.of('publish')).toEqual([]);
    // It still gets what others do not.
    other.send(publishPacket('services/sensor/latest', request, 1, 2));
    await other.next('publish');
    await back.ping();
    expect(back.of('publish')).toEqual([]);
    for (const client of [admin, caller, other, back]) client.end();
  });

  it('works on the will of a service with the scopes of its key, and not with our own', async () => {
    await registerDevice(rows, 'fan');
    const key = await makeKey(rows, ['commands:send:OTHER']);
    const ask = { pattern: 'services/control/send', data: { deviceId: 'fan', type: 'TURN_ON_FAN' } };
    const will = {
      topic: 'services/control/send',
      payload: Buffer.from(JSON.stringify(ask)),
      qos: 1,
      retain: false,
    } as const;
    const client = await service(key, { will });
    expect(await client.connackCode()).toBe(0);
    const received = counter('received');
    client.end();
    await eventually('the will was taken in', () => counter('received') > received);
    const allowed = {
      ...will,
      payload: Buffer.from(JSON.stringify({ ...ask, data: { deviceId: 'fan', type: 'OTHER' } })),
    };
    (await service(key, { will: allowed })).end();
    const sent = await eventually('the other will has made a command', async () => {
      const { body } = await box.admin.get<{ items: { type: string }[] }>('/v1/commands?deviceId=fan');
      return body.items.length > 0 && body.items;
    });
    expect(sent.map(({ type }) => type)).toEqual(['OTHER']);
  });
});
