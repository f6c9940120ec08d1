import type { Socket } from 'node:net';
import type { FastifyRequest } from 'fastify';

/** A connection on which requests wait; several do where a client pipelines. */
interface Held {
  readonly waiting: Set<AbortController>;
  /** The timeout to go back to, in milliseconds. */
  readonly timeout: number;
  readonly onClose: () => void;
}

const held = new WeakMap<Socket, Held>();

/**
 * Lets a request wait longer than the listener bears a connection on which nothing moves, so `work` must end by itself. Its
 * signal aborts when the connection closes. When it ends, the listener watches the connection as before.
 */
export async function holdOpen<T>(
  { raw: { socket } }: FastifyRequest,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  if (socket.destroyed) controller.abort();
  const { waiting, timeout, onClose } = held.get(socket) ?? hold(socket);
  waiting.add(controller);
  try {
    return await work(controller.signal);
  } finally {
    waiting.delete(controller);
    if (waiting.size === 0) {
      held.delete(socket);
      socket.off('close', onClose);
      socket.setTimeout(timeout);
    }
  }
}

function hold(socket: Socket): Held {
  const waiting = new Set<AbortController>();
  const onClose = (): void => {
    for (const controller of waiting) controller.abort();
  };
  const connection = { waiting, timeout: socket.timeout ?? 0, onClose };
  held.set(socket, connection);
  socket.once('close', onClose);
  socket.setTimeout(0);
  return connection;
}
