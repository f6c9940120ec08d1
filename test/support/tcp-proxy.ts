import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface TcpProxy {
  readonly port: number;
  /** Cuts every connection and refuses new ones, until `restore`. */
  cut(): void;
  restore(): void;
  /** Passes nothing on any more, either way, without closing anything. */
  stall(): void;
  /**
   * Arms it once: the next connection whose client sends `text` gets no answer to that; it is cut as soon as the server has
   * answered. Resolves then. Other connections are left alone.
   */
  loseAnswerTo(text: string): Promise<void>;
  stop(): Promise<void>;
}

/** A network between clients and 127.0.0.1:`target` that a test can cut without touching either end. */
export async function startTcpProxy(target: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let whole = true;
  let trap: { readonly text: string; readonly sprung: () => void } | null = null;
  const server = createServer((client) => {
    if (!whole) {
      client.destroy();
      return;
    }
    const upstream = connect(target, '127.0.0.1');
    client.on('data', (chunk: Buffer) => {
      if (!trap || !chunk.includes(trap.text)) return;
      const { sprung } = trap;
      trap = null;
      upstream.unpipe(client);
      upstream.once('data', () => {
        client.destroy();
        sprung();
      });
      upstream.resume();
    });
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => {
    whole = false;
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    restore: () => {
      whole = true;
    },
    stall: () => {
      for (const socket of sockets) {
        socket.unpipe();
        socket.pause();
      }
    },
    loseAnswerTo: (text) =>
      new Promise((resolve) => {
        trap = { text, sprung: resolve };
      }),
    stop: async () => {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
