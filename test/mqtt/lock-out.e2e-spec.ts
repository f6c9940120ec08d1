import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { newSecret } from '../../src/common/secrets.js';
import { MqttLink } from '../../src/mqtt/link.js';
import { basic, bearer, type RequiredApp, requestsWith, startRequired } from '../support/access.js';
import { eventually } from '../support/eventually.js';
import { type Box, startBox } from './support/box.js';
import { attempt, login } from './support/login-attempt.js';
import { publishPacket, RawClient } from './support/raw-client.js';
import { type DeviceLogin, makeKey, registerDevice, type Rows, rowsOf } from './support/registered.js';
import { TestAccess } from './support/test-access.js';

describe('Failed logins', () => {
  let box: RequiredApp;
  let rows: Rows;
  let device: DeviceLogin;
  beforeEach(async () => {
    box = await startRequired();
    rows = rowsOf(box.database);
    device = await registerDevice(rows, 'd1');
  });
  afterEach(async () => {
    await box.close();
  });

  const wrong = (id: string, from?: string) => attempt(box.mqttPort, id, login(id, newSecret()), from);
  const right = (from?: string) => attempt(box.mqttPort, device.id, login(device.id, device.password), from);

  it('lock the pair of id and address after five: same answer, same time, also with the right secret', async () => {
    const victim = await RawClient.connect(box.mqttPort, device.id, login(device.id, device.password));
    for (let i = 0; i < 4; i++) expect((await wrong(device.id, '127.0.0.2'))[0]).toBe(5);
    // A success clears the count. It takes the id over, which is the device's own.
    expect((await right('127.0.0.2'))[0]).toBe(0);
    await victim.closed();
    const back = await RawClient.connect(box.mqttPort, device.id, login(device.id, device.password));
    for (let i = 0; i < 5; i++) expect((await wrong(device.id, '127.0.0.2'))[0]).toBe(5);

    const answers = [await right('127.0.0.2'), await wrong(device.id, '127.0.0.2'), await right('127.0.0.2')];
    expect(answers.map(([code]) => code)).toEqual([5, 5, 5]);
    for (const [, took] of answers) {
      expect(took).toBeGreaterThan(99);
      expect(took).toBeLessThan(190);
    }
    await back.ping();
    // Neither another id from there, nor the id from elsewhere.
    const other = await registerDevice(rows, 'd2');
    expect((await attempt(box.mqttPort, 'd2', login('d2', other.password), '127.0.0.2'))[0]).toBe(0);
    expect((await right('127.0.0.3'))[0]).toBe(0);
    await back.closed();
  });

  it('over HTTP and MQTT are the same', async () => {
    const http = requestsWith(box.httpUrl, basic(device.id, 'wrong'));
    for (let i = 0; i < 5; i++) expect((await http.get('/v1/device/commands/next?wait=0')).status).toBe(401);
    expect((await right())[0]).toBe(5);
    const own = requestsWith(box.httpUrl, basic(device.id, device.password));
    expect((await own.get('/v1/device/commands/next?wait=0')).status).toBe(401);
    expect((await right('127.0.0.2'))[0]).toBe(0);

    const key = await makeKey(rows, ['telemetry:read']);
    for (let i = 0; i < 5; i++) {
      await attempt(box.mqttPort, 'service', login(key.id, `sbx_${key.id}_${newSecret()}`));
    }
    const start = performance.now();
    const refused = await requestsWith(box.httpUrl, bearer(key.password)).get('/sensors');
    expect(refused.status).toBe(401);
    expect(performance.now() - start).toBeGreaterThan(99);
    expect((await box.admin.get('/sensors')).status).toBe(200);
  });

  it('of a device that has the id of a key do not lock that key', async () => {
    const key = await makeKey(rows, ['telemetry:read']);
    const http = requestsWith(box.httpUrl, basic(key.id, 'wrong'));
    for (let i = 0; i < 5; i++) expect((await http.get('/v1/device/commands/next?wait=0')).status).toBe(401);
    expect((await requestsWith(box.httpUrl, bearer(key.password)).get('/sensors')).status).toBe(200);
  });

  it('do not lock a key that a service uses under the id of a device, nor that device', async () => {
    const key = await makeKey(rows, ['telemetry:read']);
    for (let i = 0; i < 6; i++) {
      const [code, took] = await attempt(box.mqttPort, device.id, login(key.id, key.password));
      expect([code, took > 99]).toEqual([5, true]);
    }
    expect((await attempt(box.mqttPort, 'service', login(key.id, key.password)))[0]).toBe(0);
    expect((await right())[0]).toBe(0);
  });

  it('over many ids slow their address to one answer a second, but no good login from there and nobody elsewhere', async () => {
    const first = await Promise.all(Array.from({ length: 49 }, (_, i) => wrong(`nobody-${i}`, '127.0.0.2')));
    expect(first.filter(([code]) => code === 5)).toHaveLength(49);
    const fast = performance.now();
    const slow = Array.from({ length: 20 }, (_, i) => wrong(`nobody-${100 + i}`, '127.0.0.2'));
    for (let i = 0; i < 5; i++) {
      const [code, took] = await right('127.0.0.2');
      expect([code, took < 900]).toEqual([0, true]);
    }
    const [elsewhere, took] = await wrong('nobody', '127.0.0.3');
    expect([elsewhere, took < 900]).toEqual([5, true]);
    expect(performance.now() - fast).toBeLessThan(1_900);

    const answers = await Promise.all(slow);
    const held = answers.filter(([code]) => code === 5).map(([, ms]) => ms);
    // The others are closed at once.
    expect(answers.filter(([code]) => code === 3)).toHaveLength(12);
    expect(answers.filter(([code]) => code === 3).every(([, ms]) => ms < 900)).toBe(true);
    expect(held.map((ms) => Math.floor(ms / 1_000)).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('leave no measurable difference in time between an id that exists and one that does not', async () => {
    const times: Record<'known' | 'unknown', number[]> = { known: [], unknown: [] };
    for (let i = 0; i < 24; i++) {
      const { id } = await registerDevice(rows, `known-${i}`);
      // Each from an address of its own, so that none is slowed.
      times.known.push((await wrong(id, `127.0.1.${i + 1}`))[1]);
      times.unknown.push((await wrong(`unknown-${i}`, `127.0.2.${i + 1}`))[1]);
    }
    const median = (list: readonly number[]): number => list.toSorted((a, b) => a - b)[list.length / 2]!;
    expect(Math.abs(median(times.known) - median(times.unknown))).toBeLessThan(5);
  });
});

describe('A client that comes and goes', () => {
  let box: Box;
  afterEach(async () => {
    await box.close();
  });

  const good = login('any', 'good');
  const start = async (): Promise<void> => {
    box = await startBox({ access: new TestAccess() });
  };
  const isRefused = async (id: string, from?: string): Promise<boolean> => {
    const [code] = await attempt(box.port, id, good, from);
    expect([0, 5]).toContain(code);
    return code === 5;
  };
  const breakOff = async (id: string, from?: string): Promise<void> => {
    const client = await RawClient.open(box.port, from);
    await client.login(id, good);
    const { clients } = box.link;
    client.end();
    await eventually('its end is noticed', () => box.link.clients! < clients!);
  };

  it('fifteen times in a minute without a DISCONNECT is locked out, by id and address', async () => {
    await start();
    for (let i = 0; i < 15; i++) {
      expect(await isRefused('d2')).toBe(false);
      await breakOff('d1');
    }
    expect(await isRefused('d1')).toBe(true);
    expect([await isRefused('d2'), await isRefused('d1', '127.0.0.2')]).toEqual([false, false]);
    expect([box.counter('refused.flapping'), box.counter('locked.flapping')]).toEqual([1, 1]);
  });

  it('with a DISCONNECT each time may do so as often as it likes', async () => {
    await start();
    for (let i = 0; i < 40; i++) expect(await isRefused('d1')).toBe(false);
  });

  it('by taking its id over is locked out too, and whoever has the id then keeps it', async () => {
    await start();
    const connect = async (from: string): Promise<RawClient> => {
      const client = await RawClient.open(box.port, from);
      await client.login('fought-over', good);
      return client;
    };
    let holder = await connect('127.0.0.2');
    let fights = 0;
    for (; fights < 40; fights++) {
      const next = await connect(fights % 2 === 0 ? '127.0.0.3' : '127.0.0.2');
      if ((await next.connackCode()) === 5) break;
      await holder.closed();
      holder = next;
    }
    // 15 of the one and 15 of the other; the end of those that were thrown out is not counted.
    expect(fights).toBe(30);
    await holder.ping();
    expect([await isRefused('fought-over', '127.0.0.2'), await isRefused('fought-over', '127.0.0.3')]).toEqual([
      true,
      true,
    ]);
    await holder.ping();
    holder.end();
  });

  it('because we could not store what it sent is not locked out for that', async () => {
    await start();
    box.recorder.behaviour = () => {
      throw new Error('not committed');
    };
    for (let i = 0; i < 20; i++) {
      const client = await RawClient.connect(box.port, 'd1', good);
      expect(await client.connackCode()).toBe(0);
      client.send(publishPacket('devices/d1/up/telemetry', '{}', 1, 1));
      await client.closed();
    }
  });

  it('because it breaks the rules is', async () => {
    await start();
    for (let i = 0; i < 15; i++) {
      const client = await RawClient.connect(box.port, 'd1', good);
      client.send(publishPacket('devices/d2/up/telemetry', '{}', 1, 1));
      await client.closed();
    }
    expect(await isRefused('d1')).toBe(true);
  });

  it('in open mode is never locked out: anybody on this machine could do that to any device', async () => {
    box = await startBox();
    for (let i = 0; i < 30; i++) {
      await breakOff('d1');
      expect(await isRefused('d1')).toBe(false);
    }
  });

  it('whose login fails is not thrown out for what others do under its id', async () => {
    await start();
    const victim = await RawClient.connect(box.port, 'd1', good);
    for (let i = 0; i < 20; i++) await attempt(box.port, 'd1', login('any', 'bad'), '127.0.0.2');
    await victim.ping();
    victim.end();
    await eventually('it is gone', () => box.link.clients === 0);
    expect(await isRefused('d1')).toBe(false);
  });
});

describe('A thousand wrong passwords for the id of another device', () => {
  it('leave the victim connected, and the process as it was', async () => {
    const box = await startRequired();
    try {
      const device = await registerDevice(rowsOf(box.database), 'victim');
      const victim = await RawClient.connect(box.mqttPort, 'victim', login('victim', device.password));
      const codes = new Map<number | null, number>();
      for (let i = 0; i < 10; i++) {
        const batch = Array.from({ length: 100 }, () =>
          attempt(box.mqttPort, 'victim', login('victim', newSecret()), '127.0.0.2'),
        );
        for (const [code] of await Promise.all(batch)) codes.set(code, (codes.get(code) ?? 0) + 1);
      }
      expect([...codes]).toEqual([[5, 1_000]]);
      expect((await attempt(box.mqttPort, 'victim', login('victim', device.password), '127.0.0.2'))[0]).toBe(5);
      await victim.ping();
      await eventually('only the victim is there', () => box.app.get(MqttLink).clients === 1);
      victim.end();
    } finally {
      await box.close();
    }
  }, 60_000);
});
