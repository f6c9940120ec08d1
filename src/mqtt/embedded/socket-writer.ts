import type { Socket } from 'node:net';

/** Writes to a socket one piece after the other, and closes a peer that takes nothing in for `patienceMs`. */
export class SocketWriter {
  private waiting: (() => void) | null = null;
  private timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly socket: Socket,
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

  /** Gives the time-out up. */
  stop(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
  }
}
