import type { Duplex } from 'node:stream';

/** How long a peer has to take in our last bytes. */
const LINGER_MS = 1_000;

/** Writes to a socket one piece after the other, and closes a peer that takes nothing in for `patienceMs`. */
export class SocketWriter {
  private waiting: (() => void) | null = null;
  private timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly socket: Duplex,
    private readonly patienceMs: number,
  ) {
    socket.on('drain', () => {
      this.stop();
      const callback = this.waiting;
      this.waiting = null;
      callback?.();
    });
  }

  /** Calls back when more may be written; there must be no other call before that. */
  write(bytes: Buffer, callback: () => void): void {
    if (this.socket.write(bytes)) return callback();
    this.waiting = callback;
    this.timer ??= setTimeout(() => this.socket.destroy(new Error('drain timeout')), this.patienceMs);
  }

  /** Closes the socket so that the peer can take our last bytes in. */
  end(): void {
    const { socket } = this;
    this.stop();
    // Unread bytes would turn the FIN into a reset, which may overtake our last packet: they are read and dropped.
    socket.end();
    socket.resume();
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once('close', () => clearTimeout(timer));
  }

  /** Gives the time-out up. */
  stop(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
  }
}
