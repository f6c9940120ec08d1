import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect } from 'node:net';
import { CommandWaiter } from '../../src/control/command.waiter.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { get, post, type ProblemBody } from '../support/http.js';
import { type Service, startService, temporaryDirectory } from '../support/process.js';
import { type CommandBody, newDevice, TestDevice } from './command-client.js';

let signalbox: TestApp;
let device: TestDevice;
beforeAll(async () => {
  // Shorter than the waits below, as the real 30 s are shorter than a wait of 60 s.
  signalbox = await createTestApp({ MQTT_DEVICE_RATE: '0' }, undefined, { stallTimeout: 700, requestTimeout: 700 });
  device = await TestDevice.listen(signalbox, newDevice());
});
afterAll(async () => {
  await device.end();
  await signalbox.close();
});

const commandsUrl = () => `${signalbox.httpUrl}/v1/devices/${device.deviceId}/commands`;
const read = (id: string, query = '') => get<CommandBody>(`${signalbox.httpUrl}/v1/commands/${id}${query}`);
const cancel = (id: string) => post(`${signalbox.httpUrl}/v1/commands/${id}/cancel`, {});

async function sent(): Promise<string> {
  const { id } = (await post<CommandBody>(commandsUrl(), { type: 'X', maxAttempts: 1 })).body;
  await eventually('the device has it', () => device.commands.some((command) => command.id === id));
  await eventually('it is SENT', async () => (await read(id)).body.status !== 'PENDING');
  return id;
}

/** How many waits for commands are open at this moment. */
const waits = () => signalbox.app.get(CommandWaiter).count;
const waiting = (count: number) => eventually(`${count} wait`, () => waits() === count);

describe('GET /v1/commands/{id}?wait', () => {
  it('answers at the moment when the command is final', async () => {
    const id = await sent();
    const answer = read(id, '?wait=60');
    await waiting(1);
    await device.answer(id, { status: 'accepted' });
    await eventually('it is ACKED', async () => (await read(id)).body.status === 'ACKED');
    expect(waits()).toBe(1);
    const startedAt = performance.now();
    await device.answer(id, { status: 'succeeded', result: 7 });
    expect(await answer).toMatchObject({ status: 200, body: { status: 'SUCCEEDED', result: 7 } });
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  it('answers with until=acked when the device has begun', async () => {
    const id = await sent();
    const answer = read(id, '?wait=60&until=acked');
    await waiting(1);
    await device.answer(id, { status: 'accepted' });
    expect((await answer).body).toMatchObject({ status: 'ACKED', final: false, outcome: 'started' });
    expect((await read(id, '?wait=60&until=acked')).body.status).toBe('ACKED');
    await device.answer(id, { status: 'rejected' });
  });

  it('answers with until=acked when the command ends without having begun', async () => {
    const id = await sent();
    const answer = read(id, '?wait=60&until=acked');
    await waiting(1);
    await device.answer(id, { status: 'rejected', code: 'BUSY' });
    expect((await answer).body.status).toBe('REJECTED');
  });

  it('answers with the present state when the time is over, longer than a connection may be silent otherwise', async () => {
    const id = await sent();
    const startedAt = performance.now();
    const { status, body } = await read(id, '?wait=2');
    expect(performance.now() - startedAt).toBeGreaterThan(1_950);
    expect([status, body.final]).toEqual([200, false]);
    await cancel(id);
  });

  it('answers a final command at once', async () => {
    const id = await sent();
    await device.answer(id, { status: 'succeeded' });
    expect((await read(id, '?wait=60')).body.final).toBe(true);
    const startedAt = performance.now();
    expect((await read(id, '?wait=60')).body.final).toBe(true);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });

  it.each(['wait=61', 'wait=-1', 'wait=1.5', 'wait=', 'wait=x', 'wait=1&wait=1', 'until=done', 'until=', 'waits=1'])(
    'is refused as %s',
    async (query) => {
      const { status, body } = await get<ProblemBody>(`${signalbox.httpUrl}/v1/commands/x?${query}`);
      expect([status, body.errors]).toEqual([400, [expect.objectContaining({ parameter: query.split('=')[0] })]]);
    },
  );

  it('answers 404 at once for a command that there is not', async () => {
    const { status } = await get(`${signalbox.httpUrl}/v1/commands/nothing?wait=60`);
    expect(status).toBe(404);
  });
});

describe('A connection that waits', () => {
  /** A connection on which `requests` were sent, and what comes back. */
  async function open(...requests: readonly string[]) {
    const { hostname, port } = new URL(signalbox.httpUrl);
    const socket = connect(Number(port), hostname);
    let received = '';
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    for (const path of requests) socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    return { socket, received: () => received };
  }

  it('changes nothing when it is closed, and leaves nothing behind, 1,000 times', async () => {
    const id = await sent();
    for (let round = 0; round < 10; round++) {
      const connections = await Promise.all(Array.from({ length: 100 }, () => open(`/v1/commands/${id}?wait=60`)));
      await waiting(100);
      for (const { socket } of connections.slice(0, 50)) socket.destroy();
      for (const { socket } of connections.slice(50)) socket.resetAndDestroy();
      await waiting(0);
    }
    expect((await read(id)).body).toMatchObject({ final: false, attempts: 1, cancelRequestedAt: null });
    await cancel(id);
  });

  it('makes its command all the same when it is closed after the request', async () => {
    const { socket } = await open();
    const body = '{"type": "LEFT_ALONE"}';
    const head = `POST /v1/devices/${device.deviceId}/commands HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=60\r\n`;
    socket.write(`${head}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    await waiting(1);
    socket.destroy();
    await waiting(0);
    const { id } = await eventually('the device has it', () =>
      device.commands.find(({ type }) => type === 'LEFT_ALONE'),
    );
    await device.answer(id, { status: 'succeeded' });
    expect((await read(id, '?wait=10')).body.status).toBe('SUCCEEDED');
  });

  it('may be silent no longer than any other once it has its answer', async () => {
    const id = await sent();
    const { socket, received } = await open(`/v1/commands/${id}?wait=1`);
    await eventually('the answer comes', () => received().includes('"final":false'));
    // The next request on it never ends.
    socket.write('GET /v1/commands/x HTTP/1.1\r\nHost: localhost\r\n');
    const startedAt = performance.now();
    await once(socket, 'close');
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    await cancel(id);
  });

  it('gets the answers to two requests that it sent at once', async () => {
    const id = await sent();
    const { socket, received } = await open(`/v1/commands/${id}?wait=1`, `/v1/commands/${id}?wait=2`);
    await eventually('both answers come', () => received().split('"final":false').length === 3);
    socket.destroy();
    await cancel(id);
  });
});

describe('A stop while requests wait', () => {
  it('answers them at once with the present state', async () => {
    const directory = temporaryDirectory();
    const service: Service = await startService(directory.path, { MQTT_DEVICE_RATE: '0' });
    try {
      const pump = await TestDevice.listen(service, newDevice());
      const creating = post<CommandBody>(
        `${service.httpUrl}/v1/devices/${pump.deviceId}/commands`,
        { type: 'X' },
        { prefer: 'wait=60' },
      );
      const { id } = await pump.nextCommand();
      await eventually('it is SENT', async () => {
        const { body } = await get<CommandBody>(`${service.httpUrl}/v1/commands/${id}`);
        return body.status !== 'PENDING';
      });
      const reading = get<CommandBody>(`${service.httpUrl}/v1/commands/${id}?wait=60`);
      // Answered after the other, so that both are waiting.
      await get(`${service.httpUrl}/livez`);
      const startedAt = performance.now();
      const stopped = service.stop('SIGTERM');
      const answers = await Promise.all([creating, reading]);
      expect(performance.now() - startedAt).toBeLessThan(2_500);
      expect(answers.map(({ status, body }) => [status, body.id, body.final])).toEqual([
        [202, id, false],
        [200, id, false],
      ]);
      expect(await stopped).toBe(0);
    } finally {
      await service.stop('SIGKILL');
      directory.remove();
    }
  });
});
