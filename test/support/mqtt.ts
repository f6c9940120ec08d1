import { connectAsync, type IClientOptions, type IClientPublishOptions, type MqttClient } from 'mqtt';
import { settled } from './backends.js';
import { eventually } from './eventually.js';

/** A client of MQTT.js (MQTT 3.1.1) that does not reconnect by itself. */
export function connectMqtt(url: string, options: IClientOptions = {}): Promise<MqttClient> {
  return connectAsync(url, { protocolVersion: 4, reconnectPeriod: 0, ...options });
}

/** A device whose messages Signalbox has taken in once `publish` resolves, whatever the broker's acknowledgement means (QoS 1 and 2). */
export async function connectDevice(url: string, options: IClientOptions = {}): Promise<Device> {
  const client = await connectMqtt(url, options);
  return {
    client,
    publish: async (topic, payload, publishing = {}) => {
      await client.publishAsync(topic, payload, { qos: 1, ...publishing });
      await settled(url);
    },
    end: () => client.endAsync(),
  };
}

export interface Device {
  readonly client: MqttClient;
  /** QoS 1 unless told otherwise. */
  publish(topic: string, payload: string | Buffer, options?: IClientPublishOptions): Promise<void>;
  end(): Promise<void>;
}

/** Subscribes and gathers what comes; `next` waits for the first message on a topic that fulfils `test`. */
export async function listenTo(client: MqttClient, filter: string) {
  const received: { readonly topic: string; readonly payload: string }[] = [];
  client.on('message', (topic, payload) => received.push({ topic, payload: payload.toString('utf8') }));
  await client.subscribeAsync(filter, { qos: 1 });
  return {
    received,
    next: (
      what: string,
      test: (message: { readonly topic: string; readonly payload: string }) => boolean = () => true,
    ) => eventually(what, () => received.find(test)),
  };
}

/** Resolves when the connection has closed; publishes that were still waiting for their PUBACK are then rejected. */
export async function closed(client: MqttClient): Promise<void> {
  client.on('error', () => undefined);
  await new Promise<void>((resolve) => {
    client.once('close', resolve);
  });
  client.end(true);
}
