import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { connectAsync } from 'mqtt';
import type { MqttClient } from 'mqtt';
import { eventually } from './support/eventually.js';
import { describeWith, endChild, services, startMosquitto } from './support/services.js';
import type { Mosquitto } from './support/services.js';

describeWith(['mosquitto', 'paho'], 'the Python example device', () => {
  let broker: Mosquitto;
  let service: MqttClient;
  let device: ChildProcess;
  let heard: { readonly topic: string; readonly body: Record<string, unknown> }[];

  beforeEach(async () => {
    broker = await startMosquitto();
    heard = [];
    service = await connectAsync(broker.url, { protocolVersion: 4, reconnectPeriod: 0 });
    service.on('message', (topic, payload) =>
      heard.push({ topic, body: JSON.parse(payload.toString()) as Record<string, unknown> }),
    );
    await service.subscribeAsync('devices/#', { qos: 1 });
    const args = ['examples/python/device.py', '--id', 'p1', '--port', String(broker.port), '--interval', '0.2'];
    device = spawn(services.paho!, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    await eventually('the device is online', () => on('up/status')[0]);
  });

  afterEach(async () => {
    await endChild(device, 'SIGKILL');
    await service.endAsync(true);
    await broker.stop();
  });

  function on(topic: string): Record<string, unknown>[] {
    return heard.filter((one) => one.topic === `devices/p1/${topic}`).map(({ body }) => body);
  }

  async function send(id: string, type: string, ttlMs = 60_000): Promise<void> {
    const payload = JSON.stringify({ id, type, params: {}, attempt: 1, expiresAt: '', ttlMs });
    await service.publishAsync(`devices/p1/down/commands/${id}`, payload, { qos: 1 });
  }

  it('publishes readings with a time and an id of their own, again after the broker was away', async () => {
    const first = await eventually('readings', () => on('up/telemetry').length > 2 && on('up/telemetry'));
    for (const reading of first) {
      expect(reading).toMatchObject({
        values: { temperature: expect.any(Number), humidity: expect.any(Number) },
        ts: expect.any(Number),
      });
    }
    expect(new Set(first.map(({ id }) => id)).size).toBe(first.length);
    await broker.kill();
    broker = await startMosquitto({ port: broker.port });
    heard = [];
    service = await connectAsync(broker.url, { protocolVersion: 4, reconnectPeriod: 0 });
    service.on('message', (topic, payload) =>
      heard.push({ topic, body: JSON.parse(payload.toString()) as Record<string, unknown> }),
    );
    await service.subscribeAsync('devices/#', { qos: 1 });
    await eventually('readings again', () => on('up/telemetry').length > 2);
  });

  it('keeps the rules for devices: accepted and succeeded, stored answers, EXPIRED, unknown types', async () => {
    await send('c1', 'TURN_ON_FAN');
    await eventually('c1 is done', () => on('up/commands/c1').length === 2);
    expect(on('up/commands/c1')).toEqual([{ status: 'accepted' }, { status: 'succeeded', result: { fan: true } }]);
    await send('c2', 'MAKE_COFFEE');
    await send('c3', 'PING', 0);
    await send('c4', 'TURN_OFF_FAN');
    await eventually('c4 is done', () => on('up/commands/c4').length === 2);
    expect(on('up/commands/c2')).toEqual([{ status: 'rejected', code: 'UNKNOWN_TYPE' }]);
    expect(on('up/commands/c3')).toEqual([{ status: 'rejected', code: 'EXPIRED' }]);
    await send('c1', 'TURN_ON_FAN');
    await eventually('the stored answer', () => on('up/commands/c1').length === 3);
    expect(on('up/commands/c1')[2]).toEqual({ status: 'succeeded', result: { fan: true } });
    await eventually('the repeat did not turn the fan on', () => {
      const latest = on('up/telemetry').at(-1)?.['values'] as { readonly fan?: boolean } | undefined;
      return latest?.fan === false;
    });
  });

  it('remembers the last 32 answers: a 33rd command pushes the first out', async () => {
    for (let i = 0; i <= 32; i++) await send(`r${i}`, 'MAKE_COFFEE');
    await eventually('all are answered', () => on('up/commands/r32').length === 1);
    await send('r1', 'PING');
    await send('r0', 'PING');
    await eventually('r0 is a new command', () => on('up/commands/r0').length === 3);
    expect(on('up/commands/r1')).toEqual([
      { status: 'rejected', code: 'UNKNOWN_TYPE' },
      { status: 'rejected', code: 'UNKNOWN_TYPE' },
    ]);
  });

  it('says offline when it is stopped', async () => {
    const [online] = on('up/status');
    const ended = endChild(device, 'SIGTERM');
    await eventually('offline', () => on('up/status').some((status) => status['online'] === false));
    await ended;
    expect(device.exitCode).toBe(0);
    expect(on('up/status')).toEqual([online, { online: false, session: online!['session'] }]);
  });

  it('leaves its will when it is killed', async () => {
    const [online] = on('up/status');
    await endChild(device, 'SIGKILL');
    expect(await eventually('the will', () => on('up/status')[1])).toEqual({
      online: false,
      session: online!['session'],
    });
  });
});
