import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import mqttPacket, { type Packet } from 'mqtt-packet';

/** One packet on the way between a client and a broker, as it was seen on the wire. */
export interface Seen {
  /** Epoch milliseconds. */
  readonly at: number;
  /** Which connection, counted from 1. */
  readonly connection: number;
  readonly clientId: string;
  readonly from: 'client' | 'broker';
  readonly packet: Packet;
}

export interface Wire {
  readonly port: number;
  readonly seen: readonly Seen[];
  /** Packets of a kind, by whoever sent them. */
  of<C extends Packet['cmd']>(cmd: C, clientId?: string): Extract<Packet, { cmd: C }>[];
  /** Cuts the connections of a client that are open. */
  cut(clientId: string): void;
  /** Lets nothing through any more, without closing anything. */
  stall(clientId: string): void;
  stop(): Promise<void>;
}

/** A proxy in front of a broker on 127.0.0.1 that writes down every packet, either way. */
export async function startWire(target: number): Promise<Wire> {
  const seen: Seen[] = [];
  const open = new Map<Socket, { clientId: string; upstream: Socket }>();
  let connections = 0;
  const server = createServer((client) => {
    const connection = ++connections;
    const upstream = connect({ port: target, host: '127.0.0.1', noDelay: true });
    const state = { clientId: '', upstream };
    let version = 4;
    open.set(client, state);
    const relay = (from: 'client' | 'broker', source: Socket, sink: Socket): void => {
      let parser: ReturnType<typeof mqttPacket.parser> | null = null;
      const begin = (): ReturnType<typeof mqttPacket.parser> => {
        const made = mqttPacket.parser({ protocolVersion: version });
        made.on('packet', (packet: Packet) => {
          if (packet.cmd === 'connect') {
            state.clientId = packet.clientId;
            version = packet.protocolVersion ?? 4;
          }
          seen.push({ at: Date.now(), connection, clientId: state.clientId, from, packet });
        });
        return made;
      };
      source.on('data', (chunk: Buffer) => {
        // The broker speaks only after it has read the CONNECT, which says the version.
        parser ??= begin();
        parser.parse(chunk);
        sink.write(chunk);
      });
      source.on('error', () => sink.destroy());
      source.on('close', () => {
        open.delete(client);
        sink.destroy();
      });
    };
    relay('client', client, upstream);
    relay('broker', upstream, client);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const each = (clientId: string, act: (client: Socket, upstream: Socket) => void): void => {
    for (const [client, state] of open) if (state.clientId === clientId) act(client, state.upstream);
  };
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    of: (cmd, clientId) =>
      seen
        .filter((one) => one.packet.cmd === cmd && (clientId === undefined || one.clientId === clientId))
        .map(({ packet }) => packet as never),
    cut: (clientId) => each(clientId, (client) => client.destroy()),
    stall: (clientId) =>
      each(clientId, (client, upstream) => {
        client.pause();
        upstream.pause();
      }),
    stop: async () => {
      for (const client of open.keys()) client.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
