import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import mqttPacket, { type IPublishPacket, type Packet } from 'mqtt-packet';

/** A packet that went through, on its way from the client or from the broker. `at`: epoch milliseconds. */
export interface Passage {
  readonly from: 'client' | 'broker';
  readonly packet: Packet;
  readonly at: number;
}

/** What a command's publish says (contract, section 3). */
export interface WirePayload {
  readonly id: string;
  readonly type: string;
  readonly params: Record<string, unknown>;
  readonly attempt: number;
  readonly expiresAt: string;
  readonly ttlMs: number;
}

/** A command on its way to a device. `dup`: the broker sends it again by itself. */
export interface SeenPublish extends WirePayload {
  readonly deviceId: string;
  readonly topicId: string;
  readonly dup: boolean;
}

/**
 * A network between MQTT clients and a broker on 127.0.0.1 that reads along: it tells of every packet right after it was passed
 * on, in the same turn, so that a test can act before either end has done anything more.
 */
export class MqttTap {
  /** Where connections go from now on; null: they are refused. */
  target: number | null = null;
  private readonly sockets = new Set<Socket>();
  private readonly listeners = new Set<(passage: Passage) => void>();
  private mute = false;

  private constructor(private readonly server: Server) {
    server.on('connection', (client: Socket) => this.join(client));
  }

  static async start(target: number | null = null): Promise<MqttTap> {
    const server = createServer({ noDelay: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const tap = new MqttTap(server);
    tap.target = target;
    return tap;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Calls back for every packet. Returns what ends it. */
  onPacket(listener: (passage: Passage) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Nothing that the broker says gets through any more, until `restore`; what clients say does. */
  muteBroker(): void {
    this.mute = true;
  }

  /** Ends what is connected, and lets the broker be heard again. */
  restore(): void {
    for (const socket of this.sockets) socket.destroy();
    this.mute = false;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private join(client: Socket): void {
    if (this.target === null) {
      client.destroy();
      return;
    }
    const broker = connect({ port: this.target, host: '127.0.0.1', noDelay: true });
    const settings = { protocolVersion: 4 };
    this.pipe('client', client, broker, settings);
    this.pipe('broker', broker, client, settings);
  }

  private pipe(from: Passage['from'], source: Socket, sink: Socket, settings: { protocolVersion: number }): void {
    this.sockets.add(source);
    const parser = mqttPacket.parser(settings);
    parser.on('packet', (packet: Packet) => {
      if (packet.cmd === 'connect') settings.protocolVersion = packet.protocolVersion ?? 4;
      for (const listener of this.listeners) listener({ from, packet, at: Date.now() });
    });
    source.on('data', (bytes: Buffer) => {
      if (from === 'broker' && this.mute) return;
      if (!sink.destroyed) sink.write(bytes);
      parser.parse(bytes);
    });
    source.on('end', () => sink.end());
    source.on('error', () => sink.destroy());
    source.on('close', () => {
      this.sockets.delete(source);
      sink.destroy();
    });
  }
}

const COMMAND_TOPIC = /^devices\/([^/]+)\/down\/commands\/([^/]+)$/;

/** The command that a packet carries to a device, or null. */
export function commandIn(packet: Packet): SeenPublish | null {
  if (packet.cmd !== 'publish') return null;
  const { topic, payload, dup }: IPublishPacket = packet;
  const match = COMMAND_TOPIC.exec(topic);
  if (!match) return null;
  const said = JSON.parse(payload.toString()) as WirePayload;
  return { ...said, deviceId: match[1]!, topicId: match[2]!, dup };
}
