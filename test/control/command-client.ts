import type { MqttClient } from 'mqtt';
import { newId } from '../../src/common/ids.js';
import { eventually } from '../support/eventually.js';
import { connectMqtt, listenTo } from '../support/mqtt.js';

/** A command as the REST API shows it. */
export interface CommandBody {
  readonly id: string;
  readonly deviceId: string;
  readonly type: string;
  readonly status: string;
  readonly final: boolean;
  readonly outcome: string;
  readonly attempts: number;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly cancelRequestedAt: string | null;
  readonly error: { readonly code: string | null } | null;
  readonly result: unknown;
  readonly history: readonly { readonly status: string; readonly at: string; readonly by?: string }[];
}

/** A command on the wire. */
interface WireCommand {
  readonly id: string;
  readonly type: string;
  readonly attempt: number;
}

/** The id of a device that nobody has heard of. */
export function newDevice(): string {
  return `device-${newId()}`;
}

/** A native device that is subscribed to its commands and answers as it is told. */
export class TestDevice {
  private taken = 0;

  private constructor(
    readonly deviceId: string,
    private readonly client: MqttClient,
    private readonly heard: readonly { readonly topic: string; readonly payload: string }[],
  ) {}

  /** Resolves when the device is subscribed to all below its `down/commands/`. */
  static async listen({ mqttUrl }: { readonly mqttUrl: string }, deviceId: string): Promise<TestDevice> {
    const client = await connectMqtt(mqttUrl, { clientId: deviceId });
    await client.subscribeAsync(`devices/${deviceId}/down/commands/+/cancel`, { qos: 1 });
    const { received } = await listenTo(client, `devices/${deviceId}/down/commands/+`);
    return new TestDevice(deviceId, client, received);
  }

  /** All commands that have come, resent ones again. */
  get commands(): readonly WireCommand[] {
    const isCommand = ({ topic }: { readonly topic: string }) => !topic.endsWith('/cancel');
    return this.heard.filter(isCommand).map(({ payload }) => JSON.parse(payload) as WireCommand);
  }

  /** The ids of which a cancel notice came. */
  get cancelled(): readonly string[] {
    return this.heard.filter(({ topic }) => topic.endsWith('/cancel')).map(({ topic }) => topic.split('/').at(-2)!);
  }

  /** The next command that was not taken yet. */
  async nextCommand(): Promise<WireCommand> {
    const next = this.taken++;
    return eventually('the next command comes', () => this.commands[next]);
  }

  async answer(id: string, answer: object): Promise<void> {
    await this.client.publishAsync(`devices/${this.deviceId}/up/commands/${id}`, JSON.stringify(answer), { qos: 1 });
  }

  /** What it says of itself, retained. */
  async say(status: object): Promise<void> {
    const topic = `devices/${this.deviceId}/up/status`;
    await this.client.publishAsync(topic, JSON.stringify(status), { qos: 1, retain: true });
  }

  async end(): Promise<void> {
    await this.client.endAsync();
  }
}
