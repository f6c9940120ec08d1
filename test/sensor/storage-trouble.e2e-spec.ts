import { describe, expect, it } from '@jest/globals';
import { CompiledQuery } from 'kysely';
import { connectAsync } from 'mqtt';
import { SensorService } from '../../src/sensor/sensor.service.js';
import type { SensorMessage } from '../../src/sensor/sensor.message.js';
import { createTestApp } from '../support/app.js';

function message(deviceId: string, payload: string): SensorMessage {
  return {
    deviceId,
    link: 'native',
    topic: `devices/${deviceId}/up/telemetry`,
    payload: Buffer.from(payload),
    receivedAt: Date.now(),
    subject: { kind: 'telemetry', metric: null },
  };
}

describe('a database in trouble', () => {
  it('leaves a whole batch unacknowledged where it is away, rejects included', async () => {
    const box = await createTestApp();
    const sensors = box.app.get(SensorService);
    await box.close();
    const batches = [[message('d', '{"a":1}'), message('d', '[1,{"a":1}]')], [message('d', 'not JSON')]];
    for (const batch of batches) {
      await expect(sensors.record(batch)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    }
    expect(sensors.counts).toMatchObject({ received: 4, notAcknowledged: 4, stored: 0, duplicates: 0, rejected: 0 });
  });

  it('rejects a record that the database refuses, and stores its neighbours', async () => {
    const box = await createTestApp();
    try {
      const refuse = `create trigger refuse before insert on readings when new."values" = '{"a":13}'
        begin select raise(abort, 'bad luck'); end`;
      await box.database.write([CompiledQuery.raw(refuse)]);
      const client = await connectAsync(box.mqttUrl, { reconnectPeriod: 0 });
      await client.publishAsync('devices/d/up/telemetry', '[{"a":12},{"a":13},{"a":14}]', { qos: 1 });
      await client.endAsync();
      const sensors = await (await fetch(`${box.httpUrl}/sensors`)).json();
      expect(sensors).toMatchObject([{ payload: { a: 12 } }, { payload: { a: 14 } }]);
      const rejects = await (await fetch(`${box.httpUrl}/v1/rejects`)).json();
      expect(rejects).toMatchObject({ items: [{ code: 'STORAGE_REFUSED', deviceId: 'd', size: 28 }] });
      expect(box.app.get(SensorService).counts).toMatchObject({ received: 3, stored: 2, rejected: 1 });
    } finally {
      await box.close();
    }
  });

  it('leaves a message out of the log that the database refuses, and keeps its neighbours', async () => {
    const box = await createTestApp();
    try {
      const refuse = `create trigger refuse before insert on messages when new.topic = 'demo/13'
        begin select raise(abort, 'bad luck'); end`;
      await box.database.write([CompiledQuery.raw(refuse)]);
      const client = await connectAsync(box.mqttUrl, { reconnectPeriod: 0 });
      const topics = ['demo/12', 'demo/13', 'demo/14'];
      await Promise.all(topics.map((topic) => client.publishAsync(topic, 'x', { qos: 1 })));
      await client.endAsync();
      const messages = (await (await fetch(`${box.httpUrl}/messages`)).json()) as { readonly topic: string }[];
      expect(messages.map(({ topic }) => topic)).toEqual(['demo/12', 'demo/14']);
    } finally {
      await box.close();
    }
  });
});

describe('one device that floods', () => {
  it('does not make its neighbour wait for what it sent before', async () => {
    const box = await createTestApp({ MQTT_DEVICE_RATE: '0' });
    try {
      const [flooder, neighbour] = await Promise.all(
        ['flooder', 'neighbour'].map((clientId) => connectAsync(box.mqttUrl, { clientId, reconnectPeriod: 0 })),
      );
      let acknowledged = 0;
      const payload = JSON.stringify(Array(1_000).fill(1));
      const flood = Array.from({ length: 60 }, async () => {
        await flooder!.publishAsync('devices/flooder/up/telemetry', payload, { qos: 1 });
        acknowledged++;
      });
      for (let i = 0; i < 5; i++) {
        await neighbour!.publishAsync('devices/neighbour/up/telemetry', `{"n":${i}}`, { qos: 1 });
      }
      expect(acknowledged).toBeLessThan(60);
      await Promise.all(flood);
      expect(box.app.get(SensorService).counts).toMatchObject({ received: 60_005, stored: 5, rejected: 60_000 });
      await Promise.all([flooder!.endAsync(), neighbour!.endAsync()]);
    } finally {
      await box.close();
    }
  });
});
