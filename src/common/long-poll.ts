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

/** Calls back once a login is not valid any more, also where it has ended already. Returns what stops that. */
export type FollowLogin = (onEnd: () => void) => () => void;

const logins = new WeakMap<FastifyRequest, FollowLogin>();

/** Whatever waits for this request ends with its login. */
export function endsWithLogin(request: FastifyRequest, follow: FollowLogin): void {
  logins.set(request, follow);
}

/**
 * Lets a request wait longer than the listener bears a connection on which nothing moves, so `work` must end by itself. Its
 * signal aborts when the connection closes, and when the login of the request ends. When it ends, the listener watches the
 * connection as before.
 */
export async function holdOpen<T>(request: FastifyRequest, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { socket } = request.raw;
  const controller = new AbortController();
  if (socket.destroyed) controller.abort();
  const { waiting, timeout, onClose } = held.get(socket) ?? hold(socket);
  waiting.add(controller);
  const unfollow = logins.get(request)?.(() => controller.abort());
  try {
    return await work(controller.signal);
  } finally {
    unfollow?.();
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
