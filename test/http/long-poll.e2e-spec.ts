import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { createHttpAdapter, HTTP_LIMITS } from '../../src/app.http.js';
import { HttpRefusals } from '../../src/common/http-refusals.js';
import { holdOpen } from '../../src/common/long-poll.js';
import { eventually } from '../support/eventually.js';

const STALL_MS = 200;
const adapter = createHttpAdapter(new HttpRefusals(), { ...HTTP_LIMITS, stallTimeout: STALL_MS });
const server = adapter.getInstance();
const sockets: Socket[] = [];
let waiting = 0;

/** Waits so many milliseconds, or until the connection closes. */
server.get('/held/:ms', (request) =>
  holdOpen(request, async (signal) => {
    waiting++;
    await delay(Number((request.params as { ms: string }).ms), null, { signal }).catch(() => undefined);
    waiting--;
    return 'held';
  }),
);
server.get('/bare/:ms', (request) => delay(Number((request.params as { ms: string }).ms), 'bare'));

beforeAll(async () => {
  await server.listen({ port: 0, host: '127.0.0.1' });
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await server.close();
});

/** Sends these requests on one connection, all at once. */
function send(...paths: readonly string[]): { readonly socket: Socket; readonly text: () => string } {
  const socket = connect((server.server.address() as { port: number }).port, '127.0.0.1');
  sockets.push(socket);
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  socket.on('error', () => undefined);
  for (const path of paths) socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  return { socket, text: () => text };
}

describe('A request that is held open', () => {
  it('is answered although nothing moved on its connection for longer than the listener bears, and an ordinary one is not', async () => {
    const ordinary = send(`/bare/${STALL_MS * 4}`);
    await once(ordinary.socket, 'close');
    expect(ordinary.text()).toBe('');
    const long = send(`/held/${STALL_MS * 4}`);
    await eventually('the answer', () => long.text().endsWith('held'));
  });

  it('leaves the connection watched as before', async () => {
    const { socket, text } = send('/held/1');
    await eventually('the first answer', () => text().endsWith('held'));
    socket.write(`GET /bare/${STALL_MS * 10} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await once(socket, 'close');
    expect(text()).toMatch(/held$/);
  });

  it('shares its connection with others that end before or after it', async () => {
    const { text } = send('/held/50', `/held/${STALL_MS * 4}`, '/held/1');
    await eventually('all three answers', () => text().split('held').length === 4);
  });

  it('ends when its connection closes', async () => {
    const { socket } = send('/held/60000', '/held/60000');
    await eventually('both wait', () => waiting === 2);
    socket.destroy();
    await eventually('none waits', () => waiting === 0);
  });
});
