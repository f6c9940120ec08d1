import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { settled } from '../support/backends.js';
import { eventually } from '../support/eventually.js';
import { get } from '../support/http.js';
import { closed, connectDevice, connectMqtt, listenTo } from '../support/mqtt.js';
import { startService, temporaryDirectory } from '../support/process.js';

let directory: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => {
  directory.remove();
});

describe('A stop', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('by %s keeps everything acknowledged and exits 0', async (signal) => {
    const signalbox = await startService(directory.path);
    const client = await connectMqtt(signalbox.mqttUrl);
    const end = closed(client);
    let acknowledged = 0;
    let sent = 0;
    const lane = async (): Promise<void> => {
      // One page shows them all. An external broker goes on taking them while Signalbox stops.
      while (client.connected && sent < 9_000) {
        const reading = JSON.stringify({ values: { n: sent }, id: `r${sent++}` });
        await client.publishAsync('devices/stop/up/telemetry', reading, { qos: 1 });
        acknowledged++;
      }
    };
    const lanes = Array.from({ length: 20 }, () => lane().catch(() => undefined));
    await eventually('200 readings are acknowledged', () => acknowledged >= 200);
    expect(await signalbox.stop(signal)).toBe(0);
    await Promise.all([end, ...lanes]);

    const again = await startService(directory.path);
    await settled(again.mqttUrl);
    const { body } = await get<unknown[]>(`${again.httpUrl}/sensors?deviceId=stop&limit=10000`);
    expect(body.length).toBeGreaterThanOrEqual(acknowledged);
    expect(body.length).toBeLessThanOrEqual(sent);
    expect(await again.stop()).toBe(0);
  });

  it('leaves messages and readings readable after a restart', async () => {
    const signalbox = await startService(directory.path);
    const device = await connectDevice(signalbox.mqttUrl);
    await device.publish('demo/restart', 'kept');
    await device.publish('devices/restart/up/telemetry', '{"t": 1}');
    await device.publish('site/state', 'retained', { retain: true });
    const before = [await get(`${signalbox.httpUrl}/messages`), await get(`${signalbox.httpUrl}/sensors`)].map(
      ({ body }) => body,
    );
    await device.end();
    expect(await signalbox.stop()).toBe(0);

    const again = await startService(directory.path);
    const after = [await get(`${again.httpUrl}/messages`), await get(`${again.httpUrl}/sensors`)].map(
      ({ body }) => body,
    );
    expect(after).toEqual(before);
    expect(after).toMatchObject([[{ message: 'kept' }], [{ payload: { t: 1 } }]]);
    const late = await connectMqtt(again.mqttUrl);
    const listener = await listenTo(late, 'site/#');
    expect((await listener.next('the retained message')).payload).toBe('retained');
    await late.endAsync();
    expect(await again.stop()).toBe(0);
  });
});

describe('A stop with open HTTP connections', () => {
  it('does not wait for connections on which nothing happens', async () => {
    const signalbox = await startService(directory.path);
    const { hostname, port } = new URL(signalbox.httpUrl);
    const silent = connect(Number(port), hostname);
    const halfway = connect(Number(port), hostname);
    for (const socket of [silent, halfway]) socket.on('error', () => undefined);
    halfway.write(
      'POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{',
    );
    // Over a connection that is kept alive; it is idle at the stop.
    expect((await get(`${signalbox.httpUrl}/livez`)).status).toBe(200);
    expect(await signalbox.stop()).toBe(0);
    silent.destroy();
    halfway.destroy();
  });
});

describe('npm start', () => {
  it('passes SIGTERM on, and ends with 0 when the service has ended', async () => {
    const chunks: Buffer[] = [];
    const npm = spawn('npm', ['start'], {
      env: {
        ...process.env,
        HTTP_PORT: '0',
        MQTT_PORT: '0',
        DATA_DIR: `${directory.path}/npm`,
        LOG_FORMAT: 'json',
        LOG_LEVEL: 'info',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [npm.stdout, npm.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    const output = () => Buffer.concat(chunks).toString('utf8');
    const ended = once(npm, 'close');
    await eventually('it is ready', () => output().includes('"msg":"ready"'), 30_000);
    const { http } = JSON.parse(
      output()
        .split('\n')
        .find((line) => line.includes('"msg":"ready"'))!,
    ) as { http: string };
    npm.kill('SIGTERM');
    expect((await ended)[0]).toBe(0);
    await expect(fetch(http)).rejects.toThrow();
  });
});
