import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { CommandSender } from '../../src/control/command.sender.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { type ProblemBody } from '../support/http.js';
import { httpDevice } from './http-device.js';

const STALL_MS = 500;

let signalbox: TestApp;
beforeAll(async () => {
  signalbox = await createTestApp({}, undefined, { stallTimeout: STALL_MS });
});
afterAll(async () => {
  await signalbox.close();
});

const device = () => httpDevice(signalbox.httpUrl);
/** Connections on which requests are served or waited for. */
const connections = () =>
  new Promise<number>((resolve, reject) => {
    signalbox.app.getHttpServer().getConnections((error, count) => (error ? reject(error) : resolve(count)));
  });

const request = (authorization: string, query = ''): string =>
  `GET /v1/device/commands/next${query} HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${authorization}\r\n\r\n`;

/** A poll on a connection of its own. */
function openPoll(authorization: string, query: string): Socket {
  const { hostname, port } = new URL(signalbox.httpUrl);
  const client = connect(Number(port), hostname);
  client.write(request(authorization, query));
  return client;
}

/** A device with as many polls as it may have, all waiting: one more is refused. */
async function full() {
  const pump = device();
  await pump.next();
  const ending = new AbortController();
  // Again where the sixth was there first.
  const poll = async (): ReturnType<typeof pump.next> => {
    const answer = await pump.next('60', ending.signal);
    return answer.status === 429 ? poll() : answer;
  };
  const polls = Array.from({ length: 5 }, () => poll().catch(() => null));
  const refused = await eventually('a sixth poll is refused', async () => {
    const answer = await pump.next();
    return answer.status === 429 && answer;
  });
  return { pump, polls, refused, end: () => ending.abort() };
}

describe('Polls of one device', () => {
  it('of which 5 wait leave no room for another, until one has ended', async () => {
    const { pump, polls, refused, end } = await full();
    expect((refused.body as unknown as ProblemBody).code).toBe('TOO_MANY_REQUESTS');
    expect(refused.headers.get('retry-after')).toBe('5');
    expect((await device().next()).status).toBe(204);
    await pump.command();
    await Promise.race(polls);
    expect((await pump.next()).status).toBe(204);
    end();
    await Promise.all(polls);
  });

  it('that wait side by side get one command between them, or one each', async () => {
    const { pump, polls, end } = await full();
    const answered: string[] = [];
    for (const poll of polls) void poll.then((answer) => answer && answered.push(answer.body.id));
    const ids = [await pump.command(), await pump.command()].map(({ id }) => id);
    await eventually('two are answered', () => answered.length === 2);
    for (const id of ids) await pump.is(id, 'SENT');
    end();
    await Promise.all(polls);
    expect(answered.toSorted()).toEqual(ids.toSorted());
    for (const id of ids) expect(await pump.read(id)).toMatchObject({ attempts: 1 });
  });

  it('outlast the time after which a silent connection is closed', async () => {
    expect((await device().next('2')).status).toBe(204);
  });
});

describe('A poll whose connection closes', () => {
  it('while it waits takes nothing, and the next gets the command', async () => {
    const { pump, polls, end } = await full();
    end();
    await Promise.all(polls);
    await eventually('the polls are gone', async () => (await pump.next()).status === 204);
    const { id } = await pump.command();
    expect(await pump.read(id)).toMatchObject({ status: 'PENDING', attempts: 0 });
    expect((await pump.next()).body).toMatchObject({ id, attempt: 1 });
  });

  it('before the command has left is no send that was observed: PENDING, one attempt, and given again later', async () => {
    const pump = device();
    await pump.next();
    const { hostname, port } = new URL(signalbox.httpUrl);
    const client = connect(Number(port), hostname);
    const [accepted] = (await once(signalbox.app.getHttpServer(), 'connection')) as [Socket];
    const sender = signalbox.app.get(CommandSender);
    const begin = sender.begin.bind(sender);
    const spy = jest.spyOn(sender, 'begin').mockImplementationOnce(async (command) => {
      const begun = await begin(command);
      client.destroy();
      await once(accepted, 'close');
      return begun;
    });
    const { id } = await pump.command({ ttlMs: 30_000 });
    client.write(request(pump.login.authorization));
    await eventually('the attempt is counted', async () => (await pump.read(id)).attempts === 1);
    spy.mockRestore();
    expect((await pump.next()).status).toBe(204);
    expect(await pump.read(id)).toMatchObject({ status: 'PENDING', outcome: 'unknown', attempts: 1 });
    expect((await pump.next('10')).body).toMatchObject({ id, attempt: 2 });
    expect(await pump.is(id, 'SENT')).toMatchObject({
      history: [{ status: 'PENDING' }, { status: 'SENT', attempt: 2 }],
    });
  });

  it('leaves nothing behind: 3,000 polls opened and closed', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const heap = async (): Promise<number> => {
      await eventually('all connections are gone', async () => (await connections()) < 20);
      collect();
      return process.memoryUsage().heapUsed;
    };
    const devices = Array.from({ length: 100 }, device);
    const round = async (): Promise<void> => {
      for (let n = 0; n < 10; n++) {
        const clients = devices.map(({ login }) => openPoll(login.authorization, '?wait=60'));
        await eventually('they wait', async () => (await connections()) >= 100);
        for (const client of clients) client.destroy();
        await eventually('they are gone', async () => (await connections()) < 20);
      }
    };
    await round();
    const before = await heap();
    await round();
    await round();
    expect((await heap()) - before).toBeLessThan(4_000_000);
  }, 120_000);
});

describe('At a stop', () => {
  it('polls that wait are answered 204 at once', async () => {
    const stopping = await createTestApp();
    const pump = httpDevice(stopping.httpUrl);
    await pump.next();
    const polls = [pump.next('60'), pump.next('60')];
    const open = () =>
      new Promise<number>((resolve) => {
        stopping.app.getHttpServer().getConnections((_, count) => resolve(count));
      });
    await eventually('they wait', async () => (await open()) >= 2);
    const began = Date.now();
    await stopping.close();
    expect((await Promise.all(polls)).map(({ status }) => status)).toEqual([204, 204]);
    expect(Date.now() - began).toBeLessThan(5_000);
  });
});
