import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { eventually } from '../support/eventually.js';
import { get, post } from '../support/http.js';
import { type Postgres, query, startPostgres } from '../support/postgres.js';
import { type Service, startService, temporaryDirectory } from '../support/process.js';
import { describeWith } from '../support/services.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { publishPacket, RawClient } from './support/raw-client.js';

/** A device that pings, and publishes readings with an id: each when the one before is acknowledged. */
class Device {
  sent = 0;
  acknowledged = 0;

  private constructor(
    readonly id: string,
    readonly client: RawClient,
    private readonly window: number,
  ) {}

  static async connect(port: number, id: string, window = 1): Promise<Device> {
    return new Device(id, await RawClient.connect(port, id, { keepalive: 15 }), window);
  }

  /** Takes in what was acknowledged, and publishes what its window lets it. */
  turn(): void {
    this.acknowledged = this.client.of('puback').length;
    while (this.sent - this.acknowledged < this.window) {
      const reading = JSON.stringify({ values: { n: this.sent }, id: `r${this.sent}` });
      this.sent++;
      this.client.send(publishPacket(`devices/${this.id}/up/telemetry`, reading, 1, this.sent));
    }
  }

  get lastAcknowledged(): boolean {
    return this.client.of('puback').length === this.sent;
  }
}

describeWith(['postgres'], 'While PostgreSQL is away', () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let postgres: Postgres;
  let url: string;
  let network: TcpProxy;
  let signalbox: Service;
  let devices: Device[];

  beforeEach(async () => {
    directory = temporaryDirectory();
    postgres = await startPostgres();
    network = await startTcpProxy(postgres.port);
    url = await postgres.createDatabase();
    const throughNetwork = new URL(url);
    throughNetwork.port = String(network.port);
    signalbox = await startService(directory.path, { DATABASE_URL: throughNetwork.href, MQTT_DEVICE_RATE: '0' });
    devices = await Promise.all(Array.from({ length: 20 }, (_, i) => Device.connect(signalbox.mqttPort, `d${i}`)));
    devices.push(...(await Promise.all([0, 1, 2].map((i) => Device.connect(signalbox.mqttPort, `flood${i}`, 200)))));
  }, 60_000);
  afterEach(async () => {
    for (const { client } of devices) client.end();
    await signalbox.stop();
    await network.stop();
    await postgres.remove();
    directory.remove();
  }, 60_000);

  const status = async (path: string): Promise<number> => (await get(`${signalbox.httpUrl}${path}`)).status;
  const memoryMb = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${signalbox.child.pid}/status`, 'utf8'))![1]) / 1_024;

  /** Lets the devices publish and ping for `ms`. */
  async function live(ms: number): Promise<void> {
    const end = performance.now() + ms;
    await eventually(
      'the time is over',
      async () => {
        for (const device of devices) device.turn();
        await Promise.all(devices.map(({ client }) => client.ping()));
        expect(devices.filter(({ client }) => client.ended).map(({ id }) => id)).toEqual([]);
        return performance.now() >= end;
      },
      ms + 10_000,
    );
  }

  /** All that was published is acknowledged and stored once, and nobody was disconnected. */
  async function expectAllStoredOnce(): Promise<void> {
    await eventually('all is acknowledged', () => devices.every((device) => device.lastAcknowledged), 30_000);
    expect(devices.filter(({ client }) => client.ended)).toEqual([]);
    const rows = await query(url, 'select device_id, count(*)::int as n from readings group by device_id');
    expect(Object.fromEntries(rows.map((row) => [row['device_id'], row['n']]))).toEqual(
      Object.fromEntries(devices.map(({ id, sent }) => [id, sent])),
    );
  }

  async function expectRefusedAtOnce(): Promise<void> {
    for (const [path, body] of [
      ['/control', { command: 'X' }],
      ['/publish', { topic: 'demo/x', message: 'x' }],
      ['/publish', { topic: 'devices/x/up/telemetry', message: { t: 1 } }],
    ] as const) {
      const startedAt = performance.now();
      const answer = await post(`${signalbox.httpUrl}${path}`, body);
      expect([path, answer.status]).toEqual([path, 503]);
      expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
      expect(performance.now() - startedAt).toBeLessThan(1_000);
    }
  }

  it('for 30 s: nobody who pings is disconnected, memory stays, HTTP is refused at once, and it recovers by itself', async () => {
    await live(1_000);
    const before = memoryMb();
    await postgres.stop('SIGQUIT');
    const stoppedAt = performance.now();
    await eventually('not ready', async () => (await status('/readyz')) === 503);
    await expectRefusedAtOnce();
    const acknowledged = devices.map(({ client }) => client.of('puback').length);
    await live(30_000 - (performance.now() - stoppedAt));
    expect(devices.map(({ client }) => client.of('puback').length)).toEqual(acknowledged);
    await expectRefusedAtOnce();
    expect(await status('/readyz')).toBe(503);
    expect(memoryMb() - before).toBeLessThan(100);
    await postgres.start();
    await eventually('ready', async () => (await status('/readyz')) === 200, 20_000);
    await live(1_000);
    await expectAllStoredOnce();
    expect((await post(`${signalbox.httpUrl}/control`, { command: 'X' })).status).toBe(202);
  }, 120_000);

  it('behind a network that passes nothing on, and then one that is slow, the same holds', async () => {
    await live(500);
    network.stall();
    await eventually('not ready', async () => (await status('/readyz')) === 503, 20_000);
    await live(3_000);
    await expectRefusedAtOnce();
    network.restore();
    await eventually('ready', async () => (await status('/readyz')) === 200, 20_000);
    await live(500);
    network.slow(2_000);
    const acknowledged = devices.map(({ client }) => client.of('puback').length);
    await live(12_000);
    const behind = devices.filter(({ client }, i) => client.of('puback').length === acknowledged[i]);
    expect(behind.map(({ id }) => id)).toEqual([]);
    network.restore();
    await expectAllStoredOnce();
  }, 120_000);

  it('a stop takes less than 10 s, exits 0 and acknowledges nothing', async () => {
    await live(500);
    network.stall();
    await eventually('not ready', async () => (await status('/readyz')) === 503, 20_000);
    const acknowledged = devices.map(({ client }) => client.of('puback').length);
    await live(1_000);
    const startedAt = performance.now();
    const code = await signalbox.stop();
    expect({ code, said: code === 0 ? '' : signalbox.output().slice(-2_000) }).toEqual({ code: 0, said: '' });
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    expect(devices.map(({ client }) => client.of('puback').length)).toEqual(acknowledged);
  }, 60_000);
});
