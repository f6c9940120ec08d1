import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import mqttPacket, { type IConnectPacket, type IPublishPacket, type Packet } from 'mqtt-packet';
import { eventually } from '../../support/eventually.js';

/** A client that sends exactly the bytes it is told to, and shows every packet that comes back. */
export class RawClient {
  readonly received: Packet[] = [];
  bytes = 0;
  ended = false;
  private readonly parser = mqttPacket.parser();

  private constructor(readonly socket: Socket) {
    this.parser.on('packet', (packet: Packet) => this.received.push(packet));
    socket.on('data', (chunk: Buffer) => {
      this.bytes += chunk.length;
      this.parser.parse(chunk);
    });
    socket.on('error', () => {});
    socket.on('close', () => (this.ended = true));
  }

  /** `from`: the address of this machine that it comes from. */
  static async open(port: number, from = '127.0.0.1'): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', localAddress: from, noDelay: true });
    const client = new RawClient(socket);
    await once(socket, 'connect');
    return client;
  }

  /** Opens and connects; resolves after the CONNACK. */
  static async connect(port: number, clientId: string, options: Partial<IConnectPacket> = {}): Promise<RawClient> {
    const client = await RawClient.open(port);
    await client.login(clientId, options);
    return client;
  }

  /** Sends its CONNECT; resolves after the CONNACK. */
  async login(clientId: string, options: Partial<IConnectPacket> = {}): Promise<void> {
    this.send(connectPacket(clientId, options));
    await this.next('connack');
  }

  /** Calls back for every packet that comes from now on. */
  onPacket(listener: (packet: Packet) => void): void {
    this.parser.on('packet', listener);
  }

  send(...packets: readonly (Packet | Buffer)[]): void {
    this.socket.write(encode(...packets));
  }

  of<C extends Packet['cmd']>(cmd: C): Extract<Packet, { cmd: C }>[] {
    return this.received.filter((packet): packet is Extract<Packet, { cmd: C }> => packet.cmd === cmd);
  }

  /** The `n`th packet of a kind, waiting for it. */
  async next<C extends Packet['cmd']>(cmd: C, n = 1, deadlineMs?: number): Promise<Extract<Packet, { cmd: C }>> {
    return eventually(`${cmd} number ${n}`, () => this.of(cmd)[n - 1], deadlineMs);
  }

  async closed(deadlineMs?: number): Promise<void> {
    await eventually('the connection is closed', () => this.ended, deadlineMs);
  }

  /** The return code of the CONNACK, or null where the connection was closed without one. */
  async connackCode(): Promise<number | null> {
    await eventually('CONNACK or close', () => this.ended || this.of('connack').length > 0);
    const [connack] = this.of('connack');
    return connack?.returnCode ?? null;
  }

  /** A round trip: what was sent before has been read by the broker, whether it passed it on or not. */
  async ping(): Promise<void> {
    const before = this.of('pingresp').length;
    this.send({ cmd: 'pingreq' });
    await this.next('pingresp', before + 1);
  }

  /** Sends a whole SUBSCRIBE and gives back what was granted. */
  async subscribe(messageId: number, ...topics: readonly string[]): Promise<number[]> {
    const before = this.of('suback').length;
    this.send({ cmd: 'subscribe', messageId, subscriptions: topics.map((topic) => ({ topic, qos: 1 })) });
    return (await this.next('suback', before + 1)).granted as number[];
  }

  end(): void {
    this.socket.destroy();
  }
}

export function encode(...packets: readonly (Packet | Buffer)[]): Buffer {
  return Buffer.concat(packets.map((packet) => (Buffer.isBuffer(packet) ? packet : mqttPacket.generate(packet))));
}

export function connectPacket(clientId: string, options: Partial<IConnectPacket> = {}): IConnectPacket {
  return {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: true,
    keepalive: 60,
    clientId,
    ...options,
  };
}

export function publishPacket(
  topic: string,
  payload: string | Buffer,
  qos: 0 | 1 | 2 = 0,
  messageId?: number,
  options: Partial<IPublishPacket> = {},
): IPublishPacket {
  return {
    cmd: 'publish',
    topic,
    payload,
    qos,
    retain: false,
    dup: false,
    ...(messageId === undefined ? {} : { messageId }),
    ...options,
  };
}

/** A publish whose topic is any bytes at all; mqtt-packet would refuse to write most of them. */
export function rawPublish(topic: Buffer, payload: Buffer, qos = 0, messageId = 1, flags = 0): Buffer {
  const id = qos > 0 ? Buffer.from([messageId >> 8, messageId & 255]) : Buffer.alloc(0);
  const body = Buffer.concat([Buffer.from([topic.length >> 8, topic.length & 255]), topic, id, payload]);
  return Buffer.concat([Buffer.from([0x30 | (qos << 1) | flags]), lengthBytes(body.length), body]);
}

export function lengthBytes(length: number): Buffer {
  const bytes: number[] = [];
  do {
    const rest = Math.floor(length / 128);
    bytes.push((length % 128) | (rest > 0 ? 128 : 0));
    length = rest;
  } while (length > 0);
  return Buffer.from(bytes);
}

/** A promise that is settled from outside. */
export interface Gate {
  readonly promise: Promise<void>;
  open(): void;
  fail(error: Error): void;
}

export function gate(): Gate {
  let open!: () => void;
  let fail!: (error: Error) => void;
  const promise = new Promise<void>((resolve, reject) => ((open = resolve), (fail = reject)));
  return { promise, open, fail };
}
