import { expect } from '@jest/globals';
import type { RejectResource, SensorResource } from '../../src/sensor/sensor.resource.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { connectDevice, type Device } from '../support/mqtt.js';

export interface RejectPage {
  readonly items: readonly RejectResource[];
  readonly nextCursor: string | null;
  readonly hasMore: boolean;
}

/** A running application with a device's client that hears all of `down/`, and what the tests of telemetry ask of it. */
export class SensorBox {
  readonly heard: { readonly topic: string; readonly body: unknown }[] = [];
  private devices = 0;

  private constructor(
    readonly app: TestApp,
    private readonly device: Device,
  ) {
    device.client.on('message', (topic, payload) => {
      this.heard.push({ topic, body: JSON.parse(payload.toString()) as unknown });
    });
  }

  static async start(): Promise<SensorBox> {
    const app = await createTestApp({ MQTT_DEVICE_RATE: '0' });
    const device = await connectDevice(app.mqttUrl);
    await device.client.subscribeAsync('devices/+/down/#');
    return new SensorBox(app, device);
  }

  async stop(): Promise<void> {
    await this.device.end();
    await this.app.close();
  }

  /** A device id that nobody has used yet. */
  newDevice(): string {
    return `sensor-${++this.devices}`;
  }

  /** Publishes a string as it is, anything else as JSON; resolves once Signalbox has taken it in (QoS 1 and 2). */
  async publish(topic: string, payload: unknown, qos: 0 | 1 | 2 = 1): Promise<void> {
    await this.device.publish(topic, typeof payload === 'string' ? payload : JSON.stringify(payload), { qos });
  }

  async send(deviceId: string, payload: unknown, qos: 0 | 1 | 2 = 1): Promise<void> {
    await this.publish(`devices/${deviceId}/up/telemetry`, payload, qos);
  }

  async get<T>(path: string, status = 200): Promise<T> {
    const response = await fetch(this.app.httpUrl + path);
    expect(response.status).toBe(status);
    return (await response.json()) as T;
  }

  async payloads(deviceId: string): Promise<unknown[]> {
    const list = await this.get<SensorResource[]>(`/sensors?deviceId=${deviceId}`);
    return list.map(({ payload }) => payload);
  }

  async rejects(query: string): Promise<readonly RejectResource[]> {
    return (await this.get<RejectPage>(`/v1/rejects?${query}`)).items;
  }

  async latest(deviceId: string): Promise<Record<string, unknown>> {
    const { point } = this.app.database;
    const rows = await point.selectFrom('latest').selectAll().where('device_id', '=', deviceId).execute();
    return Object.fromEntries(rows.map(({ metric, value }) => [metric, JSON.parse(value) as unknown]));
  }

  /** What was published to `devices/{deviceId}/down/{kind}`, once there is something. */
  async told(deviceId: string, kind: 'acks' | 'errors'): Promise<unknown> {
    const topic = `devices/${deviceId}/down/${kind}`;
    const message = await eventually(`a message on ${topic}`, () => this.heard.find((heard) => heard.topic === topic));
    return message.body;
  }
}
