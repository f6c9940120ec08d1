import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { WebSocket } from 'ws';
import type { Flow } from '../../src/mqtt/embedded/flow.js';
import { Listener } from '../../src/mqtt/embedded/listener.js';
import { makeFiles, type Files } from '../tls/support/tls-box.js';
import { eventually } from '../support/eventually.js';
import { sizesIn } from './support/sizes.js';
import { type Box, startBox } from './support/box.js';
import { connectPacket, encode, publishPacket, RawClient } from './support/raw-client.js';

const MANY = 100;
const GARBAGE = Buffer.alloc(100, 0xff);
const WILL = { topic: 'devices/x/up/status', payload: Buffer.from('gone'), qos: 1 as const, retain: false };

/** A client that can end in all the ways there are. */
interface Stormer {
  readonly open: Promise<unknown>;
  write(bytes: Buffer): void;
  /** Sends bytes that the transport takes for nothing. */
  spoil(): void;
  reset(): void;
  finish(): void;
}

let box: Box;
let files: Files;
beforeAll(async () => {
  files = makeFiles();
  box = await startBox({
    webSocket: { port: 0, origins: [] },
    tls: { mqttPort: 0, mqttCert: files.served.cert, mqttKey: files.served.key },
  });
});
afterAll(async () => {
  await box.close();
  files.remove();
});

const portOf = (scheme: string): number =>
  Number(new URL(box.link.urls.find((url) => url.startsWith(`${scheme}:`))!).port);

/** Without what is counted by the kind, and what is remembered of topics and client ids within limits of its own. */
function kept(): unknown {
  return Object.entries(sizesIn(box.link)).filter(([path]) => !/^\.audit|entries$|buckets$|kResourceStore/.test(path));
}

/** Whoever begins or ends from now on waits for his turn, as after the end of thousands: one connection is taken in in each. */
function keepWaiting(): void {
  const { changes } = Reflect.get(box.link, 'flow') as Flow;
  for (let n = 0; n < 64 * 4 * MANY; n++) changes.do(() => {});
}

function overTcp(): Stormer {
  const socket = connectTcp(portOf('mqtt'), '127.0.0.1')
    .on('error', () => {})
    .resume();
  return stormer(socket, once(socket, 'connect'), socket);
}

function overTls(): Stormer {
  const raw = connectTcp(portOf('mqtts'), '127.0.0.1').on('error', () => {});
  const socket: TLSSocket = connectTls({ socket: raw, rejectUnauthorized: false });
  socket.on('error', () => {}).resume();
  return stormer(socket, once(socket, 'secureConnect'), raw);
}

function stormer(socket: Socket, open: Promise<unknown>, raw: Socket): Stormer {
  open.catch(() => {});
  return {
    open,
    write: (bytes) => void socket.write(bytes),
    spoil: () => void raw.write(GARBAGE),
    reset: () => void raw.resetAndDestroy(),
    finish: () => void socket.end(),
  };
}

function overWebSocket(): Stormer {
  const socket = new WebSocket(`wss://127.0.0.1:${portOf('wss')}/mqtt`, 'mqtt', { rejectUnauthorized: false });
  socket.on('error', () => {}).on('message', () => {});
  const carrier = (): Duplex | null => Reflect.get(socket, '_socket') as Duplex | null;
  const open = once(socket, 'open');
  open.catch(() => {});
  return {
    open,
    write: (bytes) => socket.send(bytes, () => {}),
    spoil: () => void carrier()?.write(GARBAGE),
    reset: () => void carrier()?.destroy(),
    finish: () => socket.close(),
  };
}

const WAYS: Readonly<Record<string, (client: Stormer, id: string) => void>> = {
  'reset before they say anything': (client) => client.reset(),
  'finish before they say anything': (client) => client.finish(),
  'send CONNECT and reset': (client, id) => {
    client.write(encode(connectPacket(id, { will: WILL })));
    client.reset();
  },
  'send garbage': (client) => client.spoil(),
  'take one id from each other and reset': (client) => {
    client.write(encode(connectPacket('same')));
    setImmediate(() => client.reset());
  },
};

/** Another comes in and is heard, and nothing is left of those before it. */
async function expectRoom(before: unknown): Promise<void> {
  const other = await RawClient.connect(box.port, 'other');
  other.send(publishPacket('devices/other/up/telemetry', '{"a": 1}', 1, 1));
  await other.next('puback');
  other.send({ cmd: 'disconnect' });
  await other.closed();
  await eventually(
    'all are gone',
    () => {
      expect(kept()).toEqual(before);
      return true;
    },
    5_000,
  );
}

describe.each([
  ['TCP', overTcp, Object.keys(WAYS)],
  ['TLS', overTls, Object.keys(WAYS)],
  ['WebSocket', overWebSocket, Object.keys(WAYS)],
] as const)('A storm of connections over %s, which wait for their turn', (_transport, start, ways) => {
  it.each(ways)('and %s, leaves nothing behind and lets others in', async (way) => {
    const before = kept();
    keepWaiting();
    const clients = Array.from({ length: MANY }, async (_, n) => {
      const client = start();
      await client.open.then(
        () => WAYS[way]!(client, `storm-${n}`),
        () => {},
      );
    });
    await Promise.all(clients);
    await expectRoom(before);
  });
});

describe('Connections that wait for their turn to begin', () => {
  it('lose nothing of what they sent at once, though they have finished by then', async () => {
    const before = kept();
    const heard = box.recorder.messages.length;
    keepWaiting();
    for (let n = 0; n < MANY; n++) {
      const reading = publishPacket(`devices/storm-${n}/up/telemetry`, '{"a": 1}', 1, 1);
      const client = overTcp();
      client.write(encode(connectPacket(`storm-${n}`), reading, { cmd: 'disconnect' }));
      client.finish();
    }
    await eventually('all are heard', () => box.recorder.messages.length === heard + MANY);
    await expectRoom(before);
  });
});

describe('The handshake of a connection', () => {
  it('is not said to be late where the connection was reset, even before its address was known', async () => {
    const refused: string[] = [];
    const nothing = (): void => {};
    const server = createServer();
    const listener = new Listener(
      () => ({ scheme: 'mqtts', path: '', variable: 'MQTT_TLS_PORT', server }),
      {
        onOpened: nothing,
        onShaken: nothing,
        onConnection: nothing,
        onError: nothing,
        onRefused: (_why, _detail, address) => refused.push(address),
      },
      200,
    );
    const port = Number(new URL(await listener.listen('127.0.0.1', 0)).port);
    const resets = Array.from({ length: 100 }, async () => {
      const socket = connectTcp(port, '127.0.0.1', () => socket.resetAndDestroy()).on('error', nothing);
      await once(socket, 'close');
    });
    await Promise.all(resets);
    const silent = await RawClient.open(port);
    const { port: from } = silent.socket.address() as AddressInfo;
    await silent.closed();
    expect(refused).toEqual([`127.0.0.1:${from}`]);
    listener.stop();
    await listener.emptied();
  });
});

describe('Many connections that end in one moment', () => {
  it.each([
    ['are reset', (socket: Socket) => socket.resetAndDestroy()],
    ['close', (socket: Socket) => socket.destroy()],
  ])('and %s do so in shares of a turn of the event loop', async (_what, end) => {
    const clients = await Promise.all(Array.from({ length: 600 }, (_, n) => RawClient.connect(box.port, `many-${n}`)));
    let [most, ofThisTurn, isOver] = [0, 0, false];
    const stop = box.link.listeners!.onAttendance(() => (most = Math.max(most, ++ofThisTurn)));
    const turn = (): void => {
      ofThisTurn = 0;
      if (!isOver) setImmediate(turn);
    };
    turn();
    for (const { socket } of clients) end(socket);
    await eventually('all are gone', () => box.link.clients === 0);
    isOver = true;
    stop();
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(200);
  });
});
