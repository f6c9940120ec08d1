import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { devicePrincipal } from '../../src/common/access.js';
import { MqttLink } from '../../src/mqtt/link.js';
import { startRequired } from '../support/access.js';
import { eventually } from '../support/eventually.js';
import { type Box, startBox } from './support/box.js';
import { connectPacket, gate, publishPacket, RawClient } from './support/raw-client.js';
import { makeKey, registerDevice, removeKey, rowsOf } from './support/registered.js';
import { admitted, keyOf, TestAccess } from './support/test-access.js';

const GOOD = { username: 'any', password: Buffer.from('good') };
const STATUS = { payload: Buffer.from('{"online": false}'), qos: 1, retain: true } as const;

describe('A login that ends', () => {
  let access: TestAccess;
  let box: Box;
  beforeEach(async () => {
    access = new TestAccess();
    box = await startBox({ access });
  });
  afterEach(async () => {
    await box.close();
  });

  const device = (id: string, more: object = {}): Promise<RawClient> =>
    RawClient.connect(box.port, id, { ...GOOD, ...more });
  const service = (clientId: string, keyId: string, more: object = {}): Promise<RawClient> => {
    access.judge = async () => admitted(keyOf(keyId, 'messages:read', 'mqtt:publish'));
    return RawClient.connect(box.port, clientId, more);
  };

  it('closes the connection of the device now, and no other', async () => {
    const [one, other] = [await device('d1'), await device('d2')];
    access.revoke('device', 'd1');
    await one.closed(1_000);
    await other.ping();
    expect(box.counter('closed.revoked')).toBe(1);
    other.end();
  });

  it('closes only what was let in by that credential', async () => {
    const client = await device('d1');
    access.revoke('device', 'd1', 'credential-2');
    access.revoke('key', 'd1');
    await client.ping();
    access.revoke('device', 'd1', 'credential-1');
    await client.closed(1_000);
  });

  it('closes all connections with that key, whatever their client ids are', async () => {
    const [one, two, other] = [await service('a', 'k1'), await service('b', 'k1'), await service('c', 'k2')];
    access.revoke('key', 'k1');
    await Promise.all([one.closed(1_000), two.closed(1_000)]);
    await other.ping();
    other.end();
  });

  it('is counted once, however often its device changes in that moment, and also where its key goes then', async () => {
    const [one, other] = [await service('claimed', 'k1'), await service('other', 'k2')];
    access.claim('claimed');
    access.claim('claimed');
    access.claim('claimed-not');
    await one.closed(1_000);
    access.deleted.add('other');
    access.claim(null);
    await other.ping();
    access.deleted.delete('other');
    access.claim(null);
    access.revoke('key', 'k2');
    await other.closed(1_000);
    expect([box.counter('closed.claimed'), box.counter('closed.revoked')]).toEqual([1, 1]);
  });

  it('refuses a client whose login was judged before and is answered after', async () => {
    const waits = gate();
    access.judge = async ({ clientId }) => {
      await waits.promise;
      return admitted(devicePrincipal(clientId));
    };
    const clients = await Promise.all(['d1', 'd2'].map(() => RawClient.open(box.port)));
    clients[0]!.send(connectPacket('d1', GOOD));
    clients[1]!.send(connectPacket('d2', GOOD));
    await eventually('both are judged', () => access.logins.length === 2);
    access.revoke('device', 'd1');
    waits.open();
    expect(await Promise.all(clients.map((client) => client.connackCode()))).toEqual([5, 0]);
    clients[1]!.end();
  });

  it('publishes the will of a device that is still one, and not that of one that is deleted', async () => {
    for (const id of ['kept', 'gone', 'rotated']) {
      await device(id, { will: { topic: `devices/${id}/up/status`, ...STATUS } });
    }
    access.deleted.add('gone');
    access.revoke('device', 'gone');
    access.revoke('device', 'kept');
    access.revoke('device', 'rotated', 'credential-1');
    await eventually('two have left their will', () => box.recorder.of('status').length === 2);
    await eventually('all are gone', () => box.link.clients === 0);
    expect(box.recorder.of('status').toSorted()).toEqual(['devices/kept/up/status', 'devices/rotated/up/status']);
    expect([...box.store.kept.keys()].toSorted()).toEqual(['devices/kept/up/status', 'devices/rotated/up/status']);
  });

  it('publishes no will of a service any more', async () => {
    const client = await service('a', 'k1', { will: { topic: 'demo/will', ...STATUS } });
    access.revoke('key', 'k1');
    await client.closed(1_000);
    await eventually('it is gone', () => box.link.clients === 0);
    await (await service('b', 'k2')).ping();
    expect(box.recorder.of('logged')).toEqual([]);
  });

  it('takes the stored sessions of what is gone with it, whether connected or not', async () => {
    const connect = async (id: string): Promise<RawClient> => {
      access.judge = async ({ clientId }) => admitted(devicePrincipal(clientId));
      const client = await device(id, { clean: false });
      await client.subscribe(1, `devices/${id}/down/#`);
      return client;
    };
    const away = await connect('away');
    away.send({ cmd: 'disconnect' });
    await away.closed();
    const there = await connect('there');
    const disabled = await connect('disabled');
    for (const id of ['away', 'there']) {
      access.deleted.add(id);
      access.revoke('device', id);
    }
    access.revoke('device', 'disabled');
    await Promise.all([there.closed(), disabled.closed()]);
    const present = async (id: string): Promise<boolean> => {
      const client = await device(id, { clean: false });
      const { sessionPresent } = await client.next('connack');
      client.end();
      return sessionPresent;
    };
    expect([await present('away'), await present('there'), await present('disabled')]).toEqual([false, false, true]);
  });

  it('closes a connection whose time is over within two seconds', async () => {
    access.judge = async ({ clientId }) => ({
      ...admitted(devicePrincipal(clientId), 'credential-1'),
      expiresAt: clientId === 'd1' ? Date.now() + 500 : Date.now() + 60_000,
    });
    const start = performance.now();
    const [one, other] = [await device('d1'), await device('d2')];
    await one.closed(3_000);
    expect(performance.now() - start).toBeGreaterThan(490);
    await other.ping();
    expect(box.counter('closed.expired')).toBe(1);
    other.end();
  });

  it('lets a device leave its will when its time is over, and a service not', async () => {
    const soon = () => ({ expiresAt: Date.now() + 300 });
    access.judge = async () => ({ ...admitted(keyOf('k1', 'messages:read', 'mqtt:publish')), ...soon() });
    const server = await RawClient.connect(box.port, 'a', { will: { topic: 'demo/will', ...STATUS } });
    access.judge = async () => ({ ...admitted(devicePrincipal('d1')), ...soon() });
    const client = await device('d1', { will: { topic: 'devices/d1/up/status', ...STATUS } });
    await Promise.all([server.closed(4_000), client.closed(4_000)]);
    await eventually('the will of the device is here', () => box.recorder.of('status').length === 1);
    await eventually('both are gone', () => box.link.clients === 0);
    expect(box.recorder.of('logged')).toEqual([]);
  });

  it('does not count as flapping, however often it comes', async () => {
    for (let i = 0; i < 20; i++) {
      const client = await device('d1');
      expect(await client.connackCode()).toBe(0);
      access.revoke('device', 'd1');
      await client.closed(1_000);
    }
  });
});

describe('An API key', () => {
  it('that is removed has its connections closed at once, and one that expires when it does', async () => {
    const box = await startRequired();
    const rows = rowsOf(box.database);
    const open = async (scopes: readonly string[], id: string, expiresAt: number | null = null) => {
      const key = await makeKey(rows, scopes, expiresAt);
      const password = Buffer.from(key.password);
      return [key, await RawClient.connect(box.mqttPort, id, { username: key.username, password })] as const;
    };
    try {
      const [removed, one] = await open(['messages:read'], 'one');
      const [, other] = await open(['messages:read'], 'other');
      const [, expiring] = await open(['messages:read'], 'expiring', Date.now() + 1_500);
      for (const client of [one, other, expiring]) expect(await client.connackCode()).toBe(0);
      await removeKey(rows, removed.id);
      await one.closed(1_000);
      await expiring.closed(4_000);
      await other.ping();
      const { 'closed.revoked': revoked = 0, 'closed.expired': expired = 0 } = box.app.get(MqttLink).counters;
      expect(revoked + expired).toBe(2);
      other.end();
    } finally {
      await box.close();
    }
  });

  it('does nothing more where its request came behind its end', async () => {
    const box = await startRequired();
    const rows = rowsOf(box.database);
    try {
      await registerDevice(rows, 'd1');
      const key = await makeKey(rows, ['telemetry:write']);
      const password = Buffer.from(key.password);
      const client = await RawClient.connect(box.mqttPort, 'one', { username: key.username, password });
      await removeKey(rows, key.id);
      await client.closed(1_000);
      client.send(publishPacket('services/sensor/record', '{}', 1, 1));
      expect(client.of('puback')).toEqual([]);
    } finally {
      await box.close();
    }
  });
});
