import type { IPublishPacket } from 'mqtt-packet';
import { eventually } from '../../support/eventually.js';
import { hasExternalBroker, settled } from '../../support/backends.js';
import { encode, publishPacket, RawClient } from '../../mqtt/support/raw-client.js';

/** A command as it is on the wire (contract, section 3). */
export interface WireCommand {
  readonly id: string;
  readonly type: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly attempt: number;
  readonly expiresAt: string;
  readonly ttlMs: number;
}

export interface RawDeviceOptions {
  /** Writes PUBACKs; else its broker never hears that it got anything. Default: true. */
  readonly acknowledges?: boolean;
  /** Subscribes before it says that it is online. Default: true. */
  readonly listens?: boolean;
}

/** A device that does on the wire what a test tells it to, and nothing by itself but PUBACKs. */
export class RawDevice {
  private messageId = 0;

  private constructor(
    readonly client: RawClient,
    readonly id: string,
    private readonly brokerUrl: string,
  ) {}

  /** Connects to `port`, in front of the broker at `brokerUrl`. */
  static async connect(
    { brokerUrl, port }: { readonly brokerUrl: string; readonly port: number },
    id: string,
    { acknowledges = true, listens = true }: RawDeviceOptions = {},
  ): Promise<RawDevice> {
    const client = await RawClient.open(port);
    client.socket.setMaxListeners(0);
    if (acknowledges) client.onPacket((packet) => packet.cmd === 'publish' && acknowledge(client, packet.messageId));
    await orClosed(client, client.login(id));
    const device = new RawDevice(client, id, brokerUrl);
    if (listens) await device.listen();
    // At an external broker nobody else tells that it is there.
    if (listens && hasExternalBroker) await device.say('status', { online: true, session: `${Math.random()}` }, true);
    return device;
  }

  /** Subscribes to all that is for it. */
  async listen(): Promise<void> {
    await orClosed(this.client, this.client.subscribe(++this.messageId, `devices/${this.id}/down/#`));
  }

  /** Publishes below its `up/`; resolves when Signalbox has taken it in. */
  async say(level: string, content: unknown, retain = false): Promise<void> {
    await this.publish([this.packet(level, content, retain)]);
  }

  /** Publishes all of it in one write; resolves when Signalbox has taken it in. */
  async sayAtOnce(...messages: readonly (readonly [level: string, content: unknown])[]): Promise<void> {
    await this.publish(messages.map(([level, content]) => this.packet(level, content, false)));
  }

  /** Answers a command. */
  async answer(commandId: string, status: string, more: object = {}): Promise<void> {
    await this.say(`commands/${commandId}`, { status, ...more });
  }

  /** Publishes without waiting for anything. */
  shout(level: string, content: unknown): void {
    this.client.send(this.packet(level, content, false));
  }

  /** The commands it got so far, in order. */
  get commands(): readonly WireCommand[] {
    return this.messages('commands/')
      .filter(({ topic }) => !topic.endsWith('/cancel'))
      .map(({ payload }) => JSON.parse(payload) as WireCommand);
  }

  /** The ids of the commands that it was told are no longer wanted. */
  get notices(): readonly string[] {
    return this.messages('commands/')
      .filter(({ topic }) => topic.endsWith('/cancel'))
      .map(({ topic }) => topic.split('/').at(-2)!);
  }

  /** What came below its `down/`, in order. */
  messages(level = ''): readonly { readonly topic: string; readonly payload: string }[] {
    return this.client
      .of('publish')
      .filter(({ topic }) => topic.startsWith(`devices/${this.id}/down/${level}`))
      .map(({ topic, payload }) => ({ topic, payload: payload.toString() }));
  }

  /** The `n`th publish of a command, waiting for it. */
  async gets(commandId: string, n = 1, deadlineMs?: number): Promise<WireCommand> {
    const find = (): WireCommand | undefined => this.commands.filter(({ id }) => id === commandId)[n - 1];
    return eventually(`attempt ${n} of the command is there`, find, deadlineMs);
  }

  /** A round trip through the broker: what it had sent before has arrived. */
  ping(): Promise<void> {
    return this.client.ping();
  }

  /** Ends the connection without DISCONNECT. */
  end(): void {
    this.client.end();
  }

  private async publish(packets: readonly IPublishPacket[]): Promise<void> {
    this.client.send(encode(...packets));
    const acknowledged = eventually('all PUBACKs', () => {
      const ids = new Set(this.client.of('puback').map(({ messageId }) => messageId));
      return packets.every(({ messageId }) => ids.has(messageId));
    });
    await orClosed(this.client, acknowledged);
    await settled(this.brokerUrl);
  }

  private packet(level: string, content: unknown, retain: boolean) {
    const payload = typeof content === 'string' ? content : JSON.stringify(content);
    return publishPacket(`devices/${this.id}/up/${level}`, payload, 1, ++this.messageId, { retain });
  }
}

/** Rejects when the connection ends before `work` does. */
async function orClosed(client: RawClient, work: Promise<unknown>): Promise<void> {
  let onClose = (): void => {};
  const closed = new Promise<never>((_, reject) => {
    onClose = () => reject(new Error('the connection was closed'));
    if (client.ended) onClose();
    client.socket.once('close', onClose);
  });
  work.catch(() => undefined);
  try {
    await Promise.race([work, closed]);
  } finally {
    client.socket.off('close', onClose);
  }
}

function acknowledge(client: RawClient, messageId: number | undefined): void {
  if (messageId !== undefined) client.send({ cmd: 'puback', messageId });
}
