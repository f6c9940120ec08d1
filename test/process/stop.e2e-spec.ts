import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { get } from '../support/http.js';
import { connectMqtt } from '../support/mqtt.js';
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
    client.on('error', () => undefined);
    let acknowledged = 0;
    let sent = 0;
    const stopped = (async () => {
      while (acknowledged < 200) await new Promise(setImmediate);
      return signalbox.stop(signal);
    })();
    const publish = async (): Promise<void> => {
      while (!client.disconnecting && client.connected) {
        const reading = JSON.stringify({ values: { n: sent }, id: `r${sent++}` });
        await client.publishAsync('devices/stop/up/telemetry', reading, { qos: 1 });
        acknowledged++;
      }
    };
    await Promise.allSettled([...Array.from({ length: 20 }, publish), once(client, 'close')]);
    expect(await stopped).toBe(0);
    client.end(true);

    const again = await startService(directory.path);
    const { body } = await get<unknown[]>(`${again.httpUrl}/sensors?deviceId=stop&limit=10000`);
    expect(body.length).toBeGreaterThanOrEqual(acknowledged);
    expect(body.length).toBeLessThanOrEqual(sent);
    expect(await again.stop()).toBe(0);
  });

  it('leaves messages and readings readable after a restart', async () => {
    const signalbox = await startService(directory.path);
    const client = await connectMqtt(signalbox.mqttUrl);
    await client.publishAsync('demo/restart', 'kept', { qos: 1 });
    await client.publishAsync('devices/restart/up/telemetry', '{"t": 1}', { qos: 1 });
    await client.publishAsync('site/state', 'retained', { qos: 1, retain: true });
    const before = [await get(`${signalbox.httpUrl}/messages`), await get(`${signalbox.httpUrl}/sensors`)].map(
      ({ body }) => body,
    );
    await client.endAsync();
    expect(await signalbox.stop()).toBe(0);

    const again = await startService(directory.path);
    const after = [await get(`${again.httpUrl}/messages`), await get(`${again.httpUrl}/sensors`)].map(
      ({ body }) => body,
    );
    expect(after).toEqual(before);
    expect(after).toMatchObject([[{ message: 'kept' }], [{ payload: { t: 1 } }]]);
    const late = await connectMqtt(again.mqttUrl);
    const retained = once(late, 'message');
    await late.subscribeAsync('site/#', { qos: 1 });
    expect(String((await retained)[1])).toBe('retained');
    await late.endAsync();
    expect(await again.stop()).toBe(0);
  });
});
