import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';
import { eventually } from './eventually.js';

/** A client of MQTT.js (MQTT 3.1.1) that does not reconnect by itself. */
export function connectMqtt(url: string, options: IClientOptions = {}): Promise<MqttClient> {
  return connectAsync(url, { protocolVersion: 4, reconnectPeriod: 0, ...options });
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
