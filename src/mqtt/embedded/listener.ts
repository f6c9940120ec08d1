import type { AddressInfo, Socket } from 'node:net';
import { FleetingMap, FleetingSet } from '../../common/fleeting.js';
import { listenProblem } from './listen-problem.js';
import { addressOf, type Incoming, type Transport, type TransportEvents } from './transport.js';

/** For TLS and the upgrade to a WebSocket together. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** So that thousands of devices may come back in the same moment; the kernel caps it (net.core.somaxconn). */
const BACKLOG = 8_192;

export interface ListenerEvents extends TransportEvents {
  /** A socket came in, and begins its handshake. */
  onOpened(socket: Socket): void;
  /** The handshake of a socket is over; its connection is told of next. */
  onShaken(socket: Socket): void;
  /** Something went wrong after the start; it goes on listening. */
  onError(error: Error): void;
}

/** A port for MQTT over one transport, and all sockets that came in by it. */
export class Listener {
  private readonly sockets = new FleetingSet<Socket>();
  /** Sockets whose handshake is not over, by the address of their peer, and what cuts them when it takes too long. */
  private readonly handshakes = new FleetingMap<string, { readonly socket: Socket; readonly timer: NodeJS.Timeout }>();
  private readonly transport: Transport;

  /** `carry` makes the transport, with what it is to tell. A handshake may take `handshakeMs` milliseconds. */
  constructor(
    carry: (events: TransportEvents) => Transport,
    private readonly events: ListenerEvents,
    private readonly handshakeMs = HANDSHAKE_TIMEOUT_MS,
  ) {
    this.transport = carry({
      onConnection: (incoming) => this.shaken(incoming),
      onRefused: (why, detail, address) => events.onRefused(why, detail, address),
    });
    // Before the transport hears of it.
    this.transport.server.prependListener('connection', (socket) => this.opened(socket));
  }

  /** Resolves with the URL of what it listens on; port 0 takes a free one. Throws a StartupError where it cannot be listened on. */
  async listen(host: string, port: number): Promise<string> {
    const { server, scheme, path, variable } = this.transport;
    await new Promise<void>((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException): void => reject(listenProblem(error, host, port, variable));
      server.once('error', onError);
      server.listen({ host, port, backlog: BACKLOG }, () => {
        server.off('error', onError);
        server.on('error', (error) => this.events.onError(error));
        resolve();
      });
    });
    const { address, port: taken, family } = server.address() as AddressInfo;
    return `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${taken}${path}`;
  }

  /** Lets nobody in any more. */
  stop(): void {
    this.transport.server.close();
  }

  /** Resolves when every socket is gone. */
  async emptied(): Promise<void> {
    await Promise.all(this.sockets.values().map((socket) => new Promise((resolve) => socket.once('close', resolve))));
  }

  private opened(socket: Socket): void {
    const address = addressOf(socket);
    const timer = setTimeout(() => {
      this.events.onRefused('handshake', `not completed within ${this.handshakeMs / 1_000} s`, address);
      socket.destroy();
    }, this.handshakeMs);
    this.sockets.add(socket);
    this.handshakes.set(address, { socket, timer });
    socket.on('error', () => {}); // its end says enough
    socket.once('close', () => {
      this.sockets.delete(socket);
      // Several may have had the same address: of one that was reset before it came in, none is known.
      clearTimeout(timer);
      if (this.handshakes.get(address)?.socket === socket) this.handshakes.delete(address);
    });
    this.events.onOpened(socket);
  }

  private shaken(incoming: Incoming): void {
    const socket = this.endHandshake(incoming.address);
    if (socket) this.events.onShaken(socket);
    // Its frames may break a rule before anybody else listens.
    if (incoming.stream !== socket) incoming.stream.on('error', () => {});
    this.events.onConnection(incoming);
  }

  private endHandshake(address: string): Socket | undefined {
    const handshake = this.handshakes.get(address);
    clearTimeout(handshake?.timer);
    this.handshakes.delete(address);
    return handshake?.socket;
  }
}
