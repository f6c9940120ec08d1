import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandWaiter } from '../../src/control/command.waiter.js';
import type { CommandBody } from '../control/command-client.js';
import { eventually } from '../support/eventually.js';
import type { ProblemBody } from '../support/http.js';
import { type Login, TagWorld } from './tags-world.js';

interface Items<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | null;
  readonly hasMore: boolean;
}
interface Reading {
  readonly deviceId: string;
  readonly payload: { readonly n: number };
}
interface Reject {
  readonly deviceId: string | null;
}

const ALL = ['telemetry:read', 'commands:read', 'commands:send', 'devices:read', 'devices:write'];

let world: TagWorld;
let admin: Login;
let limited: Login;
let mine: string;
let foreign: string;
beforeAll(async () => {
  world = await TagWorld.start();
  admin = await world.key(['admin']);
  limited = await world.key(ALL, { tags: { site: 'a', floor: '1' } });
  mine = await world.device({ site: 'a', floor: '1', other: 'x' });
  foreign = await world.device({ site: 'a', floor: '2' });
});
afterAll(async () => {
  await world?.stop();
});

const credentials = new Map<string, Login>();

/** As the device itself says it. */
async function say(deviceId: string, reading: unknown): Promise<void> {
  const login = credentials.get(deviceId) ?? (await world.credential(deviceId));
  credentials.set(deviceId, login);
  const { status } = await world.post(login, '/v1/device/telemetry', reading);
  expect(status).toBe(200);
}

async function send(login: Login, deviceId: string, key?: string) {
  const headers: Record<string, string> = key === undefined ? {} : { 'idempotency-key': key };
  return world.post<CommandBody & ProblemBody>(login, `/v1/devices/${deviceId}/commands`, { type: 'ON' }, headers);
}

/** What a problem says, but for what differs with every request. */
function told({ requestId: _id, instance: _path, ...rest }: ProblemBody): object {
  return rest;
}

const devicesOf = (items: readonly { readonly deviceId: string | null }[]) => [
  ...new Set(items.map(({ deviceId }) => deviceId)),
];

describe('a key that is limited to tags', () => {
  it('sees the newest readings of its devices only, as many as it asks for, although others sent more since', async () => {
    await say(
      mine,
      [...Array(30).keys()].map((n) => ({ n })),
    );
    await say(
      foreign,
      [...Array(1000).keys()].map((n) => ({ n })),
    );
    const newest = (await world.get<Reading[]>(limited, '/sensors')).body;
    expect(newest.map(({ payload }) => payload.n)).toEqual([...Array(20).keys()].map((i) => i + 10));
    expect(devicesOf(newest)).toEqual([mine]);
    expect((await world.get<Reading[]>(limited, '/sensors?limit=10000')).body).toHaveLength(30);
    expect((await world.get<Reading[]>(limited, `/sensors?deviceId=${mine}&limit=5`)).body).toHaveLength(5);
    expect((await world.get<Reading[]>(admin, '/sensors?limit=10000')).body).toHaveLength(1030);
  });

  it('is answered for a hidden device as for one that there is not', async () => {
    const { body: made } = await send(admin, foreign);
    await say(foreign, ['no reading']);
    for (const [hidden, missing] of [
      [`/sensors?deviceId=${foreign}`, '/sensors?deviceId=nobody'],
      [`/v1/rejects?deviceId=${foreign}`, '/v1/rejects?deviceId=nobody'],
      [`/v1/commands?deviceId=${foreign}`, '/v1/commands?deviceId=nobody'],
      [`/v1/devices/${foreign}/commands`, '/v1/devices/nobody/commands'],
      [`/v1/commands/${made.id}`, '/v1/commands/nothing'],
      [`/v1/commands/${made.id}?wait=1`, '/v1/commands/nothing?wait=1'],
    ] as const) {
      const [one, other] = [await world.get(limited, hidden), await world.get(limited, missing)];
      expect([one.status, told(one.body as ProblemBody)]).toEqual([other.status, told(other.body as ProblemBody)]);
    }
    for (const [path, body, missing, missingBody] of [
      [`/v1/devices/${foreign}/commands`, { type: 'ON' }, '/v1/devices/nobody/commands', { type: 'ON' }],
      ['/control', { command: 'ON', deviceId: foreign }, '/control', { command: 'ON', deviceId: 'nobody' }],
      [`/v1/commands/${made.id}/cancel`, {}, '/v1/commands/nothing/cancel', {}],
    ] as const) {
      const [one, other] = [await world.post(limited, path, body), await world.post(limited, missing, missingBody)];
      expect(one.status).toBe(404);
      expect([one.status, told(one.body as ProblemBody)]).toEqual([other.status, told(other.body as ProblemBody)]);
    }
    const { body: after } = await world.get<CommandBody>(admin, `/v1/commands/${made.id}`);
    expect([after.cancelRequestedAt, after.status === 'CANCELLED']).toEqual([null, false]);
  });

  it('sees the rejects of its devices, a page at a time, and none that are of no device', async () => {
    for (let i = 0; i < 3; i++) await say(mine, [i, 'no reading']);
    await say(foreign, [...Array(500).keys()]);
    await world.post(admin, '/publish', { topic: 'devices/no%20device/up/telemetry', message: '{}' });
    await eventually('it is kept, and belongs to no device', async () => {
      const { body } = await world.get<Items<Reject>>(admin, '/v1/rejects?limit=1');
      return body.items[0]?.deviceId === null;
    });
    const seen: Reject[] = [];
    for (let path: string | null = '/v1/rejects?limit=4'; path !== null;) {
      const { body }: { readonly body: Items<Reject> } = await world.get<Items<Reject>>(limited, path);
      seen.push(...body.items);
      path = body.nextCursor === null ? null : `/v1/rejects?limit=4&cursor=${body.nextCursor}`;
    }
    expect([seen.length, devicesOf(seen)]).toEqual([6, [mine]]);
    const both = `/v1/rejects?deviceId=${mine},${foreign}&code=NOT_AN_OBJECT`;
    expect(devicesOf((await world.get<Items<Reject>>(limited, both)).body.items)).toEqual([mine]);
  });

  it('sees the commands to its devices, a page at a time, among many to others', async () => {
    const sent: string[] = [];
    for (let i = 0; i < 5; i++) {
      sent.push((await send(limited, mine)).body.id);
      for (let j = 0; j < 5; j++) await send(admin, foreign);
    }
    const seen: CommandBody[] = [];
    for (let path: string | null = '/v1/commands?limit=2'; path !== null;) {
      const { body }: { readonly body: Items<CommandBody> } = await world.get<Items<CommandBody>>(limited, path);
      seen.push(...body.items);
      path = body.nextCursor === null ? null : `/v1/commands?limit=2&cursor=${body.nextCursor}`;
    }
    expect(seen.map(({ id }) => id)).toEqual(sent.toReversed());
    const { body: first } = await world.get<Items<CommandBody>>(admin, '/v1/commands?limit=1');
    const { body: refused } = await world.get<ProblemBody>(limited, `/v1/commands?limit=1&cursor=${first.nextCursor}`);
    expect(refused.code).toBe('CURSOR_MISMATCH');
  });

  it('loses sight of a command it waits for when the device is given other tags', async () => {
    const deviceId = await world.device({ site: 'a', floor: '1' });
    const { body: made } = await send(limited, deviceId);
    const waiting = world.get<ProblemBody>(limited, `/v1/commands/${made.id}?wait=1`);
    const waiter = world.signalbox.app.get(CommandWaiter, { strict: false });
    await eventually('it waits', () => waiter.count === 1);
    await world.device({ site: 'a', floor: '2' }, deviceId);
    expect((await waiting).body.code).toBe('COMMAND_UNKNOWN');
  });

  it('removes its devices and no others', async () => {
    const remove = (login: Login, id: string) =>
      fetch(`${world.signalbox.httpUrl}/v1/devices/${id}`, {
        method: 'DELETE',
        headers: { authorization: login.authorization },
      });
    const deviceId = await world.device({ site: 'a', floor: '1' });
    const other = await world.device({ site: 'b' });
    expect((await remove(limited, other)).status).toBe(404);
    expect((await remove(limited, '%00')).status).toBe(404);
    expect((await remove(limited, deviceId)).status).toBe(204);
    expect((await remove(admin, other)).status).toBe(204);
  });

  it('has no access to raw messages, even where it holds their scopes', async () => {
    const key = await world.key(['admin', 'messages:read', 'mqtt:publish'], { tags: { site: 'a' } });
    expect((await world.get<ProblemBody>(key, '/messages')).body.code).toBe('FORBIDDEN');
    const { body } = await world.post<ProblemBody>(key, '/publish', { topic: 'demo/x', message: 'm' });
    expect(body.code).toBe('FORBIDDEN');
  });
});

describe('Idempotency-Key', () => {
  it('belongs to the key that sent it: two keys with the same one make two commands', async () => {
    const other = await world.key(['commands:send']);
    const deviceId = await world.device({ site: 'a', floor: '1' });
    const first = await send(limited, deviceId, 'same');
    const second = await send(other, deviceId, 'same');
    expect([first.status, second.status]).toEqual([202, 202]);
    expect(second.body.id).not.toBe(first.body.id);
    expect(second.headers.get('idempotency-replayed')).toBeNull();
    expect((await send(limited, deviceId, 'same')).body.id).toBe(first.body.id);
  });

  it('gives no command to a device that is hidden since', async () => {
    const key = await world.key(['commands:send'], { tags: { site: 'a' } });
    const deviceId = await world.device({ site: 'a' });
    const { body: made } = await send(key, deviceId, 'once');
    expect((await send(key, deviceId, 'once')).body.id).toBe(made.id);
    await world.limit(key, { site: 'b' });
    expect((await send(key, deviceId, 'once')).body.code).toBe('DEVICE_UNKNOWN');
    const control = { command: 'ON', deviceId };
    expect((await world.post<ProblemBody>(key, '/control', control)).body.code).toBe('DEVICE_UNKNOWN');
    await world.limit(key, null);
    expect((await send(key, deviceId, 'once')).body.id).toBe(made.id);
  });

  it('gives the command although its device was disabled since', async () => {
    const deviceId = await world.device({ site: 'a' });
    const { body: made } = await send(admin, deviceId, 'kept');
    const { database } = world.signalbox;
    await database.write([
      database.sql.updateTable('devices').set({ enabled: 0 }).where('id', '=', deviceId).compile(),
    ]);
    expect((await send(admin, deviceId, 'kept')).body.id).toBe(made.id);
    expect((await send(admin, deviceId, 'new')).body.code).toBe('DEVICE_DISABLED');
  });
});

describe('commands:send:<type>', () => {
  it('lets only commands of that type be sent and cancelled, on every way', async () => {
    const key = await world.key(['commands:send:ON']);
    const deviceId = await world.device({});
    const path = `/v1/devices/${deviceId}/commands`;
    const { body: on } = await world.post<CommandBody>(key, path, { type: 'ON' });
    const { body: off } = await world.post<CommandBody>(admin, path, { type: 'OFF' });
    for (const [to, body] of [
      [path, { type: 'OFF' }],
      [path, { type: 'on' }],
      [path, { type: 'ONE' }],
      ['/control', { command: 'OFF', deviceId }],
      [`/v1/commands/${off.id}/cancel`, {}],
    ] as const) {
      expect([to, (await world.post<ProblemBody>(key, to, body)).body.code]).toEqual([to, 'FORBIDDEN']);
    }
    expect((await world.post(key, '/control', { command: 'ON', deviceId })).status).toBe(202);
    expect([200, 202]).toContain((await world.post(key, `/v1/commands/${on.id}/cancel`, {})).status);
    const { body: all } = await world.get<Items<CommandBody>>(admin, `/v1/commands?deviceId=${deviceId}`);
    expect(all.items.map(({ type }) => type)).toEqual(['ON', 'OFF', 'ON']);
    expect(all.items[1]!.cancelRequestedAt).toBeNull();
  });
});

describe('POST /publish in required mode', () => {
  const code = async (key: Login, topic: string) => {
    const { status, body } = await world.post<ProblemBody>(key, '/publish', { topic, message: 'm' });
    return body.code || status;
  };

  it('speaks for devices and services with admin only, and for the broker never', async () => {
    const key = await world.key(['mqtt:publish', 'commands:send', 'telemetry:write']);
    for (const topic of ['devices/x/down/commands/1', 'devices/x/up/telemetry', 'devices/x', 'services/control/send']) {
      expect([topic, await code(key, topic)]).toEqual([topic, 'FORBIDDEN']);
      expect([topic, await code(admin, topic)]).toEqual([topic, 200]);
    }
    for (const topic of ['$CONTROL/dynamic-security/v1', '$SYS/x', '$share/g/demo', '']) {
      expect([await code(key, topic), await code(admin, topic)]).toEqual(['BAD_TOPIC', 'BAD_TOPIC']);
    }
    for (const topic of ['demo/x', 'device/x', 'devicesx/y', 'servicesx']) {
      expect([topic, await code(key, topic)]).toEqual([topic, 200]);
    }
  });
});
