import type { ChildProcess } from 'node:child_process';
import { connectAsync } from 'mqtt';
import type { MqttClient } from 'mqtt';
import { startWire } from '../../mqtt/support/wire.js';
import type { Wire } from '../../mqtt/support/wire.js';
import { eventually } from '../../support/eventually.js';
import { endChild, startMosquitto } from '../../support/services.js';
import type { Mosquitto } from '../../support/services.js';
import { startTcpProxy } from '../../support/tcp-proxy.js';
import type { TcpProxy } from '../../support/tcp-proxy.js';
import type { Example } from './example-device.js';

/** The device id on every stage. */
export const ID = 'dev-1';

type Body = Readonly<Record<string, unknown>>;

/** A Mosquitto, an example device at it behind a network that can be cut and a wire that is read along, and the side of the service. */
export class Stage {
  device!: ChildProcess;
  /** What the device has said below its `up/`, as the service's side got it. */
  private heard: { readonly topic: string; readonly body: Body }[] = [];
  private service!: MqttClient;

  private constructor(
    private readonly example: Example,
    private broker: Mosquitto,
    readonly wire: Wire,
    readonly network: TcpProxy,
  ) {}

  static async open(example: Example): Promise<Stage> {
    const broker = await startMosquitto();
    const wire = await startWire(broker.port);
    const stage = new Stage(example, broker, wire, await startTcpProxy(wire.port));
    await stage.listen();
    return stage;
  }

  async close(): Promise<void> {
    await endChild(this.device, 'SIGKILL');
    await this.service.endAsync(true);
    await this.network.stop();
    await this.wire.stop();
    await this.broker.stop();
  }

  /** Starts the device and waits until it has said that it is online. */
  async start(...options: readonly string[]): Promise<void> {
    this.device = this.example.start(ID, this.network.port, '--interval', '0.2', ...options);
    await eventually('the device is online', () => this.on('status').length > 0);
  }

  /** A new broker, which knows nothing, in the place of one that crashed. */
  async replaceBroker(): Promise<void> {
    await this.broker.kill();
    await this.service.endAsync(true);
    this.heard = [];
    this.broker = await startMosquitto({ port: this.broker.port });
    await this.listen();
  }

  /** Calls back with the topic below `up/` of everything that the device says. */
  onMessage(listener: (topic: string) => void): void {
    this.service.on('message', (topic) => listener(topic.slice(`devices/${ID}/up/`.length)));
  }

  /** The bodies heard on a topic below `up/`. */
  on(topic: string): readonly Body[] {
    return this.heard.filter((one) => one.topic === topic).map(({ body }) => body);
  }

  /** The topics below `up/` on which answers came in, in that order. */
  get answered(): readonly string[] {
    return this.heard.filter(({ topic }) => topic.startsWith('commands/')).map(({ topic }) => topic);
  }

  /** The answers to a command in short: `accepted`, `progress 20`, `rejected EXPIRED`. */
  answers(id: string): readonly string[] {
    return this.on(`commands/${id}`).map(({ status, progress, code }) =>
      [status, progress, code]
        .filter((part) => part !== undefined)
        .map(String)
        .join(' '),
    );
  }

  /** All answers to a command, once the last of them is final. */
  async done(id: string): Promise<readonly string[]> {
    return await eventually(`${id} is finished`, () => {
      const said = this.answers(id);
      return /^(succeeded|failed|rejected|cancelled)/.test(said.at(-1) ?? '') && said;
    });
  }

  /** Publishes on a topic below `down/`, QoS 1. */
  async publish(topic: string, body: string | object): Promise<void> {
    const payload = typeof body === 'string' ? body : JSON.stringify(body);
    await this.service.publishAsync(`devices/${ID}/down/${topic}`, payload, { qos: 1 });
  }

  async send(id: string, type: string, params: object = {}, ttlMs = 60_000): Promise<void> {
    await this.publish(`commands/${id}`, { id, type, params, attempt: 1, expiresAt: '', ttlMs });
  }

  async cancel(id: string): Promise<void> {
    await this.publish(`commands/${id}/cancel`, {});
  }

  /** Begins a calibration that goes on for long enough to be cancelled. */
  async startCalibration(id: string): Promise<void> {
    await this.send(id, 'CALIBRATE', { steps: 100, stepMs: 500 });
    await eventually(`${id} reports progress`, () => this.answers(id).includes('progress 1'));
  }

  /** Whether the fan runs, from a reading that was taken after now. */
  async fan(): Promise<unknown> {
    const { length } = this.on('telemetry');
    const reading = await eventually('a new reading', () => this.on('telemetry')[length + 1]);
    return (reading['values'] as { readonly fan: boolean }).fan;
  }

  /** What the device sent on its nth connection: the topics below `up/` that it published on, else the kinds of packets. */
  sentOn(connection: number): readonly string[] {
    return this.wire.seen
      .filter((one) => one.connection === connection && one.from === 'client')
      .map(({ packet }) => (packet.cmd === 'publish' ? packet.topic.slice(`devices/${ID}/up/`.length) : packet.cmd));
  }

  private async listen(): Promise<void> {
    this.service = await connectAsync(this.broker.url, { protocolVersion: 4, reconnectPeriod: 0 });
    this.service.on('message', (topic, payload) => {
      this.heard.push({ topic: topic.slice(`devices/${ID}/up/`.length), body: JSON.parse(payload.toString()) as Body });
    });
    await this.service.subscribeAsync(`devices/${ID}/up/#`, { qos: 1 });
  }
}
