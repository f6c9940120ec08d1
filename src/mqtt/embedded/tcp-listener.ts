import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { listenProblem } from './listen-problem.js';

const TCP_KEEPALIVE_MS = 60_000;
/** So that thousands of devices may come back in the same moment; the kernel caps it (net.core.somaxconn). */
const BACKLOG = 8_192;

export interface TcpListenerEvents {
  onConnection(socket: Socket): void;
  /** Something went wrong after the start; it goes on listening. */
  onError(error: Error): void;
}

/** A TCP port for MQTT, and all sockets that came in by it. */
export class TcpListener {
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;

  constructor(private readonly events: TcpListenerEvents) {
    this.server = createServer({
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEPALIVE_MS,
    });
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
      events.onConnection(socket);
    });
  }

  /** Resolves with the URL of what it listens on; port 0 takes a free one. Throws a StartupError where it cannot be listened on. */
  async listen(host: string, port: number): Promise<string> {
    const { server } = this;
    await new Promise<void>((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException): void => reject(listenProblem(error, host, port));
      server.once('error', onError);
      server.listen({ host, port, backlog: BACKLOG }, () => {
        server.off('error', onError);
        server.on('error', (error) => this.events.onError(error));
        resolve();
      });
    });
    const { address, port: taken, family } = server.address() as AddressInfo;
    return `mqtt://${family === 'IPv6' ? `[${address}]` : address}:${taken}`;
  }

  /** Lets nobody in any more. */
  stop(): void {
    this.server.close();
  }

  /** Resolves when every socket is gone. */
  async emptied(): Promise<void> {
    await Promise.all([...this.sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve))));
  }
}
