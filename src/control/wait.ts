import type { FastifyReply } from 'fastify';

/** Longest wait for a command in a request, in seconds. */
export const MAX_WAIT_S = 60;

/** The whole seconds, 0 to 60, that `text` says, or null where it says anything else. */
export function waitSeconds(text: string): number | null {
  return /^\d{1,9}$/.test(text) && Number(text) <= MAX_WAIT_S ? Number(text) : null;
}

/**
 * Runs a wait of at most `ms` during which nothing moves on the connection of `reply`, which is not closed for that. Its signal
 * aborts when the client has closed the connection.
 */
export async function holdConnection<T>(
  reply: FastifyReply,
  ms: number,
  wait: (ms: number, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { socket } = reply.request.raw;
  const gone = new AbortController();
  const abort = (): void => gone.abort();
  reply.raw.once('close', abort);
  if (socket.destroyed) abort();
  // Counts from now: the timeout of a silent connection comes after the wait, however long that is.
  const stallTimeout = socket.timeout ?? 0;
  if (stallTimeout > 0) socket.setTimeout(stallTimeout + ms);
  try {
    return await wait(ms, gone.signal);
  } finally {
    reply.raw.off('close', abort);
    if (!socket.destroyed) socket.setTimeout(stallTimeout);
  }
}
