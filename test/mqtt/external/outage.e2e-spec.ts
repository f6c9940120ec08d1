import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { DomainError } from '../../../src/common/errors.js';
import { BrokerConfig } from '../../../src/config/broker.config.js';
import { TopicConfig } from '../../../src/config/topic.config.js';
import { ExternalLink } from '../../../src/mqtt/external/external.link.js';
import { MemorySeatStore } from '../support/memory-seat.store.js';
import { connectMqtt } from '../../support/mqtt.js';
import { eventually } from '../../support/eventually.js';
import { describeWith, freePort, type Mosquitto, startMosquitto } from '../../support/services.js';
import { startTcpProxy } from '../../support/tcp-proxy.js';
import { captureLog, startLink } from '../support/external.js';

describeWith(['mosquitto'], 'the external link while its broker is away', () => {
  let data: string;
  let port: number;
  let mosquitto: Mosquitto | null;
  let log: ReturnType<typeof captureLog>;
  let ends: (() => Promise<void>)[];

  const startBroker = async (persistent = true): Promise<void> => {
    mosquitto = await startMosquitto({ port, ...(persistent ? { data } : {}) });
  };
  const start = async (options: Parameters<typeof startLink>[1] = {}) => {
    const box = await startLink(`mqtt://127.0.0.1:${port}`, options);
    ends.unshift(box.close);
    return box;
  };
  const publish = async (from: number, count: number): Promise<void> => {
    const device = await connectMqtt(mosquitto!.url);
    for (let i = from; i < from + count; i++) {
      await device.publishAsync('devices/d/up/telemetry', String(i), { qos: 1 });
    }
    await device.endAsync();
  };

  beforeEach(async () => {
    log = captureLog();
    data = mkdtempSync(join(tmpdir(), 'signalbox-outage-'));
    port = await freePort();
    mosquitto = null;
    ends = [];
  });
  afterEach(async () => {
    for (const end of ends) await end();
    await mosquitto?.stop();
    rmSync(data, { recursive: true, force: true });
  });

  it('starts while the broker is away, says so, and connects when it comes', async () => {
    const box = await start();
    expect(box.link.status).toBe('down');
    expect(log.filter(({ reason }) => reason === 'refused')).toHaveLength(1);
    await startBroker();
    await eventually('it is up', () => box.link.status === 'up', 20_000);
    await publish(0, 1);
    await eventually('it reads', () => box.texts()[0] === '0');
  });

  it('can be stopped while it still waits for the broker at its start', async () => {
    await startBroker();
    const proxy = await startTcpProxy(port);
    ends.push(() => proxy.stop());
    const store = new MemorySeatStore();
    store.gate = new Promise(() => {});
    const broker = { url: new URL(`mqtt://127.0.0.1:${proxy.port}`), shareGroup: 'group', seats: 1, keepalive: 30 };
    const config = Object.assign(new BrokerConfig(), { username: '', clientId: '', ...broker });
    const topics = Object.assign(new TopicConfig(), { prefix: 'devices' });
    const link = new ExternalLink(config, topics, store);
    const started = link.start(['devices/+/up/#'], () => {});
    expect(link.status).toBe('starting');
    await link.stopIntake();
    await link.close();
    await started;
    expect(link.status).toBe('stopped');
  });

  it('says so where the host is unknown', async () => {
    const box = await startLink('mqtt://broker.invalid:1883');
    ends.unshift(box.close);
    expect(box.link.status).toBe('down');
    expect(log.find(({ reason }) => reason === 'host')!['hint']).toContain('name service');
  });

  it.each([
    ['with its sessions', true],
    ['without any session', false],
  ])('loses nothing that it acknowledged when the broker comes back %s', async (_, persistent) => {
    await startBroker(persistent);
    const box = await start({ seats: 2 });
    box.onDelivery = (delivery) => delivery.ack();
    await publish(0, 20);
    await eventually('all were read', () => box.deliveries.length === 20);
    await mosquitto!.stop();
    await eventually('it is down', () => box.link.status === 'down');
    await startBroker(persistent);
    await eventually('it is up', () => box.link.status === 'up', 20_000);
    await publish(20, 20);
    await eventually('the others too', () => new Set(box.texts()).size === 40);
    expect(log.some(({ msg }) => msg === 'the broker is back')).toBe(true);
  });

  it('gets what was in flight when the broker restarted', async () => {
    await startBroker();
    const box = await start();
    await publish(0, 10);
    await eventually('all are being handled', () => box.deliveries.length === 10);
    await mosquitto!.stop();
    await startBroker();
    await eventually('all came again', () => box.deliveries.length === 20, 20_000);
    expect(box.texts().slice(10)).toEqual(box.texts().slice(0, 10));
  });

  it('refuses to publish at once, keeps nothing for later, and goes on when the broker is back', async () => {
    await startBroker();
    const box = await start();
    await mosquitto!.stop();
    await eventually('it is down', () => box.link.status === 'down');
    const error = await box.link.publish({ topic: 'demo/x', payload: 'lost', qos: 1 }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DomainError);
    expect(error).toMatchObject({ code: 'BROKER_UNAVAILABLE', options: { retryAfter: 5 } });
    await startBroker();
    const other = await connectMqtt(mosquitto!.url);
    const heard: string[] = [];
    other.on('message', (_topic, payload) => heard.push(payload.toString()));
    await other.subscribeAsync('demo/#', { qos: 1 });
    await eventually('it is up', () => box.link.status === 'up', 20_000);
    await box.link.publish({ topic: 'demo/x', payload: 'sent', qos: 1 });
    await eventually('it arrived', () => heard.length > 0);
    expect(heard).toEqual(['sent']);
    await other.endAsync(true);
  });

  it('says of a publish in flight that the broker went away', async () => {
    await startBroker();
    const proxy = await startTcpProxy(port);
    ends.push(() => proxy.stop());
    const box = await startLink(`mqtt://127.0.0.1:${proxy.port}`);
    ends.unshift(box.close);
    proxy.stall();
    const answer = box.link.publish({ topic: 'demo/x', payload: '', qos: 1 }).catch((e: unknown) => e);
    proxy.cut();
    expect(await answer).toMatchObject({ code: 'BROKER_UNAVAILABLE' });
    proxy.restore();
    await eventually('it is up', () => box.link.status === 'up', 20_000);
  });

  it('notices a connection that is dead without being closed, by the keepalive', async () => {
    await startBroker();
    const proxy = await startTcpProxy(port);
    ends.push(() => proxy.stop());
    const box = await startLink(`mqtt://127.0.0.1:${proxy.port}`, { keepalive: 1 });
    ends.unshift(box.close);
    proxy.stall();
    await eventually('it is down', () => box.link.status === 'down');
    proxy.restore();
    await eventually('it is up', () => box.link.status === 'up', 30_000);
  });
});
