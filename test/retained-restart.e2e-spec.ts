import { describe, expect, it } from '@jest/globals';
import { MqttPublisher } from '../src/mqtt/publisher.js';
import { createTestApp } from './support/app.js';
import { eventually } from './support/eventually.js';
import { connectMqtt, listenTo } from './support/mqtt.js';
import { temporaryDirectory } from './support/process.js';

describe('Retained messages', () => {
  it('survive a restart, also where there is more of them than is read at once', async () => {
    const directory = temporaryDirectory();
    const first = await createTestApp({}, directory.path);
    const payload = Buffer.alloc(220_000, 'r');
    // 40 MB: above what one query may return.
    const topics = Array.from({ length: 182 }, (_, n) => `site/${n}`);
    for (const topic of topics) await first.app.get(MqttPublisher).publish({ topic, payload, qos: 1, retain: true });
    await first.close();

    const second = await createTestApp({}, directory.path);
    const client = await connectMqtt(second.mqttUrl);
    const listener = await listenTo(client, 'site/+');
    await eventually('all retained messages came', () => listener.received.length === topics.length);
    expect(listener.received.map(({ topic }) => topic).toSorted()).toEqual(topics.toSorted());
    expect(listener.received.every((message) => message.payload.length === payload.length)).toBe(true);
    await client.endAsync();
    await second.close();
    directory.remove();
  });
});
