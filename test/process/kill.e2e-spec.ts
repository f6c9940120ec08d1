import { afterAll, describe, expect, it } from '@jest/globals';
import type { MqttClient } from 'mqtt';
import { get } from '../support/http.js';
import { closed, connectMqtt } from '../support/mqtt.js';
import { startService, temporaryDirectory } from '../support/process.js';

const ROUNDS = 20;
const CLIENTS = 4;
const IN_FLIGHT = 25;
const directory = temporaryDirectory();
afterAll(() => directory.remove());

interface Load {
  /** Ids of readings whose PUBACK came. */
  readonly acknowledged: Set<number>;
  /** Readings sent whose PUBACK did not come: in flight at the kill, to be sent again. */
  readonly open: Map<number, string>;
  next: number;
}

/** Publishes numbered readings until the connection ends; begins with what is still open, as a real device does. */
async function publishUntilClosed(client: MqttClient, device: string, load: Load): Promise<void> {
  const backlog = [...load.open];
  const end = closed(client);
  const lane = async (): Promise<void> => {
    while (client.connected) {
      const [n, reading] = backlog.shift() ?? [
        load.next,
        JSON.stringify({ values: { n: load.next }, ts: Date.now(), id: `r${load.next++}` }),
      ];
      load.open.set(n, reading);
      await client.publishAsync(`devices/${device}/up/telemetry`, reading, { qos: 1 });
      load.open.delete(n);
      load.acknowledged.add(n);
    }
  };
  const lanes = Array.from({ length: IN_FLIGHT }, () => lane().catch(() => undefined));
  await end;
  await Promise.all(lanes);
}

describe('kill -9', () => {
  it(`under load, ${ROUNDS} times: loses no acknowledged reading and stores none twice`, async () => {
    const loads = Array.from({ length: CLIENTS }, (): Load => ({ acknowledged: new Set(), open: new Map(), next: 0 }));
    for (let round = 0; round < ROUNDS; round++) {
      const signalbox = await startService(directory.path, { MQTT_DEVICE_RATE: '0' });
      const before = loads.map(({ acknowledged }) => acknowledged.size);
      const clients = await Promise.all(loads.map(() => connectMqtt(signalbox.mqttUrl)));
      const publishing = clients.map((client, i) => publishUntilClosed(client, `k${i}`, loads[i]!));
      const target = 50 + Math.floor(Math.random() * 1_000);
      while (loads.reduce((sum, load, i) => sum + load.acknowledged.size - before[i]!, 0) < target) {
        await new Promise(setImmediate);
      }
      await signalbox.stop('SIGKILL');
      await Promise.all(publishing);
    }

    const signalbox = await startService(directory.path);
    for (const [i, { acknowledged, next }] of loads.entries()) {
      const stored = await storedNumbers(signalbox.httpUrl, `k${i}`);
      expect(stored).toHaveLength(new Set(stored).size);
      expect([...acknowledged].filter((n) => !stored.includes(n))).toEqual([]);
      expect(stored.every((n) => n < next)).toBe(true);
    }
    expect(await signalbox.stop()).toBe(0);
  }, 240_000);
});

async function storedNumbers(httpUrl: string, deviceId: string): Promise<number[]> {
  const { body } = await get<{ readonly payload: { readonly n: number } }[]>(
    `${httpUrl}/sensors?deviceId=${deviceId}&limit=10000`,
  );
  // A full page could hide duplicates.
  expect(body.length).toBeLessThan(10_000);
  return body.map(({ payload }) => payload.n);
}
