import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';
import type { MqttPublisher } from '../../src/mqtt/publisher.js';
import { eventually } from '../support/eventually.js';
import type { Recorder } from './support/box.js';
import { gate } from './support/raw-client.js';

/** A transport that runs over some broker, and where that broker's other clients connect. */
export interface LinkUnderTest {
  readonly url: string;
  readonly recorder: Recorder;
  readonly publisher: MqttPublisher;
  /** What one client publishes comes in in its order; a broker that deals it out over several sessions does not keep it. */
  readonly ordered: boolean;
  close(): Promise<void>;
}

/** What the transport promises over any link, seen with an ordinary client library. */
export function describeLink(name: string, start: () => Promise<LinkUnderTest>): void {
  describe(`the transport over ${name}`, () => {
    let link: LinkUnderTest;
    let device: MqttClient;
    let other: MqttClient;
    const heard: { topic: string; text: string }[] = [];
    let run = 0;
    let topic: string;

    const client = (clientId: string, options: IClientOptions = {}): Promise<MqttClient> =>
      connectAsync(link.url, { clientId, reconnectPeriod: 100, ...options });

    beforeAll(async () => {
      link = await start();
      device = await client('device');
      other = await client('other');
      other.on('message', (to, payload) => heard.push({ topic: to, text: payload.toString() }));
      await other.subscribeAsync(['devices/+/down/#', 'demo/#'], { qos: 1 });
    });
    afterAll(async () => {
      await Promise.all([device.endAsync(true), other.endAsync(true)]);
      await link.close();
    });
    beforeEach(() => {
      topic = `devices/d${++run}/up/telemetry`;
      link.recorder.batches.length = 0;
      link.recorder.behaviour = () => {};
      heard.length = 0;
    });

    it.each([0, 1, 2] as const)('hands a message of QoS %i to its handler, once', async (qos) => {
      await device.publishAsync(topic, '{"temperature":21.5}', { qos });
      await eventually('it arrived', () => link.recorder.messages.length === 1);
      expect(link.recorder.messages[0]).toMatchObject({ topic, params: { deviceId: `d${run}` }, replayed: false });
      expect(link.recorder.payloads).toEqual(['{"temperature":21.5}']);
    });

    it('takes in all that one device publishes, in order where the link keeps one, and binary payloads as they are', async () => {
      const payloads = Array.from({ length: 300 }, (_, i) => Buffer.from([i >> 8, i & 255, 0, 255]));
      await Promise.all(payloads.map((payload) => device.publishAsync(topic, payload, { qos: 1 })));
      await eventually('all arrived', () => link.recorder.messages.length === 300);
      const received = link.recorder.messages.map(({ payload }) => payload);
      const inOrder = link.ordered ? received : received.toSorted((a, b) => a.compare(b));
      expect(Buffer.concat(inOrder)).toEqual(Buffer.concat(payloads));
    });

    it('gets a message again whose handler failed, and then acknowledges it', async () => {
      let failures = 1;
      link.recorder.behaviour = () => (failures-- > 0 ? Promise.reject(new Error('not now')) : undefined);
      await device.publishAsync(topic, 'again', { qos: 1 });
      await eventually('it came twice', () => link.recorder.messages.length >= 2);
      expect(link.recorder.payloads).toEqual(['again', 'again']);
    });

    it('runs every handler that matches before it acknowledges', async () => {
      const slow = gate();
      link.recorder.behaviour = ({ handler }) => (handler === 'presence' ? slow.promise : undefined);
      let done = false;
      const published = device.publishAsync(`devices/d${run}/up/status`, '{}', { qos: 1 }).then(() => (done = true));
      await eventually('both have it', () => link.recorder.batches.length === 2);
      slow.open();
      await published;
      expect(done).toBe(true);
      expect(link.recorder.batches.map(({ handler }) => handler).toSorted()).toEqual(['presence', 'status']);
    });

    it('publishes to other clients of the broker', async () => {
      await link.publisher.publish({ topic: `devices/d${run}/down/commands/1`, payload: '{"type":"GO"}', qos: 1 });
      await eventually('it arrived', () => heard.length === 1);
      expect(heard).toEqual([{ topic: `devices/d${run}/down/commands/1`, text: '{"type":"GO"}' }]);
      expect(link.recorder.batches).toEqual([]);
    });

    it('loses nothing of what it publishes in one turn, whatever the QoS', async () => {
      const messages = Array.from({ length: 30 }, (_, i) => ({
        topic: `devices/d${run}/down/${i % 3}`,
        payload: `${i}`,
      }));
      await Promise.all(messages.map((one, i) => link.publisher.publish({ ...one, qos: i % 2 === 0 ? 1 : 0 })));
      await eventually('all arrived', () => heard.length >= 30);
      expect(new Set(heard.map(({ text }) => text)).size).toBe(30);
    });

    it('hands what it publishes itself to its own handlers too, once', async () => {
      await link.publisher.publish({ topic: 'demo/x', payload: 'ours', qos: 1 });
      await eventually('both have it', () => heard.length === 1 && link.recorder.messages.length === 1);
      expect(link.recorder.of('logged')).toEqual(['demo/x']);
    });

    it('lets a handler publish', async () => {
      link.recorder.behaviour = async ({ messages }) => {
        for (const { params } of messages) {
          await link.publisher.publish({ topic: `devices/${params['deviceId']}/down/acks`, payload: 'ok', qos: 1 });
        }
      };
      await device.publishAsync(topic, '1', { qos: 1 });
      await eventually('the answer arrived', () => heard.length === 1);
    });
  });
}
