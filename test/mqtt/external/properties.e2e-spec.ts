import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { connectAsync, type IPublishPacket, type MqttClient } from 'mqtt';
import type { OutboundMessage } from '../../../src/mqtt/message.js';
import { eventually } from '../../support/eventually.js';
import { describeWith, type Mosquitto, startMosquitto } from '../../support/services.js';
import { captureLog, startLink } from '../support/external.js';
import { startFakeBroker } from '../support/fake-broker.js';
import { startOldBroker } from '../support/old-broker.js';

const message: OutboundMessage = {
  topic: 'devices/d1/down/commands/1',
  payload: '{}',
  qos: 1,
  properties: {
    contentType: 'application/json',
    responseTopic: 'devices/d1/up/commands/1',
    correlationData: 'Käfer-1',
    messageExpiry: 59.9,
  },
};

describeWith(['mosquitto'], 'The properties of a publish', () => {
  let mosquitto: Mosquitto;
  let device: MqttClient;
  let heard: IPublishPacket[];
  let ends: (() => Promise<unknown>)[];

  beforeEach(async () => {
    captureLog();
    heard = [];
    mosquitto = await startMosquitto();
    device = await connectAsync(mosquitto.url, { protocolVersion: 5, clientId: 'd1', reconnectPeriod: 0 });
    device.on('message', (_topic, _payload, packet) => heard.push(packet));
    await device.subscribeAsync('devices/d1/down/#', { qos: 1 });
    ends = [() => device.endAsync(true), () => mosquitto.stop()];
  });
  afterEach(async () => {
    for (const end of ends) await end();
  });

  it('reach a subscriber with MQTT 5, all four, whole seconds of expiry', async () => {
    const { link, close } = await startLink(mosquitto.url);
    ends.unshift(close);
    expect(link.capabilities.protocol).toBe('5');
    await link.publish(message);
    await link.publish({ ...message, properties: { ...message.properties!, messageExpiry: 0.2 } });
    await link.publish({ topic: message.topic, payload: '{}', qos: 1 });
    await eventually('all came', () => heard.length === 3);
    expect(heard[0]!.properties).toMatchObject({
      contentType: 'application/json',
      responseTopic: 'devices/d1/up/commands/1',
      messageExpiryInterval: 59,
    });
    expect(heard[0]!.properties!.correlationData!.toString('utf8')).toBe('Käfer-1');
    expect(heard[1]!.properties!.messageExpiryInterval).toBe(1);
    expect(heard[2]!.properties ?? {}).toEqual({});
  });

  it('are left out where the broker speaks only 3.1.1', async () => {
    const old = await startOldBroker(mosquitto.port);
    ends.push(() => old.stop());
    const { link, close } = await startLink(`mqtt://127.0.0.1:${old.port}`);
    ends.unshift(close);
    await eventually('3.1.1 is spoken', () => link.capabilities.protocol === '3.1.1');
    await link.publish(message);
    await eventually('it came', () => heard.length === 1);
    expect(heard[0]!.payload.toString()).toBe('{}');
    expect(heard[0]!.properties ?? {}).toEqual({});
  });

  it('count in the size of the largest packet that the broker takes', async () => {
    const broker = await startFakeBroker();
    ends.push(() => broker.stop());
    broker.behaviour = (packet, connection) => {
      if (packet.cmd !== 'connect' || packet.clientId !== 'outbox') return false;
      const properties = { maximumPacketSize: 200 };
      connection.send({ cmd: 'connack', sessionPresent: false, reasonCode: 0, properties });
      return true;
    };
    const { link, close } = await startLink(broker.url, { clientId: 'outbox' });
    ends.unshift(close);
    const sizes: number[] = [];
    for (let size = 170; size > 0; size--) {
      const sent = await link.publish({ ...message, payload: Buffer.alloc(size) }).then(
        () => true,
        ({ code }: { code: string }) => expect(code).toBe('PAYLOAD_TOO_LARGE'),
      );
      if (sent) sizes.push(size);
    }
    // A remaining length of 128 or more takes two bytes, behind the first byte of the packet.
    const lengths = broker
      .of('outbox')[0]!
      .of('publish')
      .map(({ length = 0 }) => length + (length < 128 ? 2 : 3));
    expect(sizes.length).toBeGreaterThan(50);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(200);
    // Nor is anything refused that would fit well.
    expect(Math.max(...lengths)).toBeGreaterThan(190);
  });
});
