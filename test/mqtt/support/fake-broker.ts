import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import mqttPacket, { type IConnectPacket, type Packet } from 'mqtt-packet';

/** One connection to the fake broker. */
export class FakeConnection {
  readonly received: Packet[] = [];
  clientId = '';
  version = 4;
  closed = false;
  private readonly parser = mqttPacket.parser();

  constructor(
    private readonly socket: Socket,
    onPacket: (packet: Packet, connection: FakeConnection) => void,
  ) {
    this.parser.on('packet', (packet: Packet) => {
      if (packet.cmd === 'connect') {
        this.clientId = packet.clientId;
        this.version = packet.protocolVersion ?? 4;
      }
      this.received.push(packet);
      onPacket(packet, this);
    });
    socket.on('data', (chunk: Buffer) => this.parser.parse(chunk));
    socket.on('error', () => {});
    socket.on('close', () => (this.closed = true));
  }

  send(...packets: readonly Packet[]): void {
    const options = { protocolVersion: this.version } as IConnectPacket;
    this.socket.write(Buffer.concat(packets.map((packet) => mqttPacket.generate(packet, options))));
  }

  of<C extends Packet['cmd']>(cmd: C): Extract<Packet, { cmd: C }>[] {
    return this.received.filter((packet): packet is Extract<Packet, { cmd: C }> => packet.cmd === cmd);
  }

  /** Closes it without a word. */
  end(): void {
    this.socket.destroy();
  }
}

type FakeBehaviour = (packet: Packet, connection: FakeConnection) => boolean;

/** A broker that says yes to everything, except where a test decides otherwise: `behaviour` returns true for what it answered itself. */
export async function startFakeBroker() {
  const connections: FakeConnection[] = [];
  const sockets = new Set<Socket>();
  const broker = {
    port: 0,
    url: '',
    behaviour: ((): boolean => false) as FakeBehaviour,
    /** All connections of a client, oldest first. */
    of: (clientId: string): FakeConnection[] => connections.filter((one) => one.clientId === clientId),
    stop: async (): Promise<void> => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    const onPacket = (packet: Packet, connection: FakeConnection): void => {
      if (!broker.behaviour(packet, connection)) accept(packet, connection);
    };
    connections.push(new FakeConnection(socket, onPacket));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  broker.port = (server.address() as AddressInfo).port;
  broker.url = `mqtt://127.0.0.1:${broker.port}`;
  return broker;
}

function accept(packet: Packet, connection: FakeConnection): void {
  const { messageId } = packet as { messageId: number };
  if (packet.cmd === 'connect') {
    connection.send({ cmd: 'connack', sessionPresent: !packet.clean, returnCode: 0, reasonCode: 0 });
  } else if (packet.cmd === 'subscribe') {
    connection.send({ cmd: 'suback', messageId, granted: packet.subscriptions.map(({ qos }) => qos) });
  } else if (packet.cmd === 'unsubscribe') {
    connection.send({ cmd: 'unsuback', messageId, granted: packet.unsubscriptions.map(() => 0) });
  } else if (packet.cmd === 'publish' && packet.qos === 1) connection.send({ cmd: 'puback', messageId });
  else if (packet.cmd === 'publish' && packet.qos === 2) connection.send({ cmd: 'pubrec', messageId });
  else if (packet.cmd === 'pubrel') connection.send({ cmd: 'pubcomp', messageId });
  else if (packet.cmd === 'pingreq') connection.send({ cmd: 'pingresp' });
}
