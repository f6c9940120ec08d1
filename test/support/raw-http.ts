import { connect } from 'node:net';

/** Sends bytes to an HTTP port as they are and resolves with all that comes back until the server closes. */
export async function rawHttp(url: string, ...chunks: readonly (string | Buffer)[]): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const received: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => received.push(chunk));
  socket.on('error', () => undefined); // a reset after the answer is one way to close
  for (const chunk of chunks) socket.write(chunk);
  // Not `once` of node:events, which rejects at an error.
  await new Promise((resolve) => socket.once('close', resolve));
  return Buffer.concat(received).toString('utf8');
}
