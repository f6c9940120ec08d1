import type { Socket } from 'node:net';
import type { FastifyReply } from 'fastify';

/** Longest wait for a command in a request, in seconds. */
export const MAX_WAIT_S = 60;

/** The whole seconds, 0 to 60, that `text` says, or null where it says anything else. */
export function waitSeconds(text: string): number | null {
  return /^\d{1,9}$/.test(text) && Number(text) <= MAX_WAIT_S ? Number(text) : null;
}

/** Connections on which a wait is under way: how many, and after how many milliseconds of silence they are closed otherwise. */
const held = new WeakMap<Socket, { waits: number; readonly timeout: number }>();

/** Runs a wait, during which the connection of `reply` may be silent. The signal aborts when the client has closed it. */
export async function holdConnection<T>(reply: FastifyReply, wait: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { socket } = reply.request.raw;
  const gone = new AbortController();
  const abort = (): void => gone.abort();
  reply.raw.once('close', abort);
  if (socket.destroyed) abort();
  // Requests may be pipelined, so that there are several waits at once (RFC 9112, 9.3.2).
  const hold = held.get(socket) ?? { waits: 0, timeout: socket.timeout ?? 0 };
  held.set(socket, hold);
  hold.waits++;
  socket.setTimeout(0);
  try {
    return await wait(gone.signal);
  } finally {
    reply.raw.off('close', abort);
    hold.waits--;
    if (hold.waits === 0) {
      held.delete(socket);
      if (!socket.destroyed) socket.setTimeout(hold.timeout);
    }
  }
}
