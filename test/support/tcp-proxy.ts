import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface TcpProxy {
  readonly port: number;
  /** Cuts every connection and refuses new ones, until `restore`. */
  cut(): void;
  /** Undoes `cut`, `stall` and `slow`. */
  restore(): void;
  /** Passes nothing on any more, either way, without closing anything, until `restore`. */
  stall(): void;
  /**
   * Arms it once: the next connection whose client sends `text` gets no answer to that; it is cut as soon as the server has
   * answered. Resolves then. Other connections are left alone.
   */
  loseAnswerTo(text: string): Promise<void>;
  /** Passes every answer of the target on this much later, until `restore`. */
  slow(ms: number): void;
  stop(): Promise<void>;
}

/** A network between clients and 127.0.0.1:`target` that a test can cut without touching either end. */
export async function startTcpProxy(target: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let whole = true;
  let trap: { readonly text: string; readonly sprung: () => void } | null = null;
  let stalled = false;
  let delay = 0;
  const server = createServer((client) => {
    if (!whole) {
      client.destroy();
      return;
    }
    const upstream = connect(target, '127.0.0.1');
    let lost: (() => void) | null = null;
    client.on('data', (chunk: Buffer) => {
      if (!trap || !chunk.includes(trap.text)) return;
      lost = trap.sprung;
      trap = null;
    });
    upstream.on('data', () => {
      if (!lost) return;
      client.destroy();
      lost();
    });
    join(client, upstream, () => 0);
    join(upstream, client, () => delay);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');

  function join(from: Socket, to: Socket, delayOf: () => number): void {
    sockets.add(from);
    if (stalled) from.pause();
    const late: Buffer[] = [];
    const passOn = (bytes: Buffer): void => {
      if (!to.destroyed && !to.write(bytes)) from.pause();
    };
    from.on('data', (bytes: Buffer) => {
      const ms = delayOf();
      if (ms === 0 && late.length === 0) return passOn(bytes);
      // What comes after a late part waits for it, also once the network is fast again.
      late.push(bytes);
      setTimeout(() => passOn(late.shift()!), ms);
    });
    to.on('drain', () => {
      if (!stalled) from.resume();
    });
    from.on('end', () => to.end());
    from.on('error', () => to.destroy());
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
  }

  const cut = () => {
    whole = false;
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    restore: () => {
      whole = true;
      stalled = false;
      delay = 0;
      for (const socket of sockets) socket.resume();
    },
    stall: () => {
      stalled = true;
      for (const socket of sockets) socket.pause();
    },
    slow: (ms) => {
      delay = ms;
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
