import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { SCOPES, type Tags } from '../../src/common/access.js';
import type { CommandBody } from '../control/command-client.js';
import { gatherRoutes, type ServedRoute } from './matrix-rest.routes.js';
import { type Login, TagWorld } from './tags-world.js';

const GRANTED = SCOPES.filter((scope) => scope !== 'admin');
const DEVICES = 8;
const KEYS = 4;

type Operation =
  | { readonly kind: 'tag'; readonly device: number; readonly tags: Tags }
  | { readonly kind: 'limit'; readonly key: number; readonly tags: Tags }
  | { readonly kind: 'read' | 'reject' | 'send'; readonly device: number }
  | { readonly kind: 'ask'; readonly key: number; readonly device: number }
  | { readonly kind: 'look'; readonly key: number };

const device = fc.nat(DEVICES - 1);
const key = fc.nat(KEYS - 1);
/** Few names and values, so that many match; names of members of objects, so that nothing is found by accident. */
const tags = fc.dictionary(fc.constantFrom('site', 'floor', 'constructor'), fc.constantFrom('a', 'b'), { maxKeys: 3 });
const limits = tags.filter((some) => Object.keys(some).length > 0);
const operations: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ kind: fc.constant('tag' as const), device, tags }),
  fc.record({ kind: fc.constant('limit' as const), key, tags: limits }),
  fc.record({ kind: fc.constantFrom('read' as const, 'reject' as const, 'send' as const), device }),
  fc.record({ kind: fc.constant('ask' as const), key, device }),
  fc.record({ kind: fc.constant('look' as const), key }),
);

interface KnownDevice {
  readonly id: string;
  readonly login: Login;
  tags: Tags;
  readings: number;
  rejects: number;
  commands: string[];
}
interface KnownKey {
  readonly login: Login;
  tags: Tags;
}

let world: TagWorld;
let admin: Login;
let lists: readonly ServedRoute[];
const devices: KnownDevice[] = [];
const keys: KnownKey[] = [];
beforeAll(async () => {
  let served: (() => ServedRoute[]) | undefined;
  world = await TagWorld.start({}, (app) => (served = gatherRoutes(app)));
  lists = served!().filter(
    ({ method, url, access }) => method === 'GET' && !url.includes(':') && access?.kind === 'scope',
  );
  admin = await world.key(['admin']);
  for (let i = 0; i < DEVICES; i++) {
    const id = await world.device({});
    const login = await world.credential(id);
    devices.push({ id, login, tags: {}, readings: 0, rejects: 0, commands: [] });
  }
  for (let i = 0; i < KEYS; i++) {
    const limit = { site: 'a' };
    keys.push({ login: await world.key(i === 0 ? ['admin'] : GRANTED, { tags: limit }), tags: limit });
  }
});
afterAll(async () => {
  await world?.stop();
});

/** Whether the key may know of the device, told from the tags alone. */
const sees = (one: KnownKey, { tags: carried }: KnownDevice) =>
  Object.entries(one.tags).every(([name, value]) => Object.hasOwn(carried, name) && carried[name] === value);

const STEPS = {
  tag: async ({ device: i, tags: next }) => {
    devices[i]!.tags = next;
    await world.device(next, devices[i]!.id);
  },
  limit: async ({ key: i, tags: next }) => {
    keys[i]!.tags = next;
    await world.limit(keys[i]!.login, next);
  },
  read: async ({ device: i }) => {
    const one = devices[i]!;
    expect((await world.post(one.login, '/v1/device/telemetry', { n: one.readings })).status).toBe(200);
    one.readings++;
  },
  reject: async ({ device: i }) => {
    const one = devices[i]!;
    expect((await world.post(one.login, '/v1/device/telemetry', [1])).status).toBe(200);
    one.rejects++;
  },
  send: async ({ device: i }) => {
    const one = devices[i]!;
    const { body } = await world.post<CommandBody>(admin, `/v1/devices/${one.id}/commands`, {
      type: 'X',
      ttlMs: 86_400_000,
    });
    one.commands.push(body.id);
  },
  ask: async ({ key: i, device: j }) => {
    const [one, about] = [keys[i]!, devices[j]!];
    const due = sees(one, about) ? 200 : 404;
    expect((await world.get(one.login, `/v1/devices/${about.id}/commands`)).status).toBe(due);
    for (const id of about.commands.slice(-1)) {
      expect((await world.get(one.login, `/v1/commands/${id}`)).status).toBe(due);
    }
    const { status } = await world.post(one.login, `/v1/devices/${about.id}/commands`, { type: 'X', ttlMs: 1 });
    // What is wrong in the request is told first, whatever it is about.
    expect(status).toBe(400);
    const { body } = await world.get<readonly object[]>(one.login, `/sensors?deviceId=${about.id}&limit=10000`);
    expect(body).toHaveLength(due === 200 ? about.readings : 0);
  },
  look: async ({ key: i }) => {
    const one = keys[i]!;
    const [seen, hidden] = [devices.filter((each) => sees(one, each)), devices.filter((each) => !sees(one, each))];
    for (const { url } of lists) {
      const { status, text } = await world.get(one.login, url);
      expect([url, status === 403 ? 200 : status]).toEqual([url, 200]);
      for (const { id, commands } of hidden)
        expect([url, [id, ...commands].filter((name) => text.includes(name))]).toEqual([url, []]);
    }
    expect(await count(one, '/sensors?limit=10000')).toEqual(countOf(seen, ({ readings }) => readings));
    expect(await count(one, '/v1/rejects?limit=1000')).toEqual(countOf(seen, ({ rejects }) => rejects));
    expect(await count(one, '/v1/commands?limit=1000')).toEqual(countOf(seen, ({ commands }) => commands.length));
  },
} satisfies {
  readonly [K in Operation['kind']]: (operation: Extract<Operation, { readonly kind: K }>) => Promise<void>;
};

type Items = readonly { readonly deviceId: string }[];

/** How many items there are of each device. */
async function count({ login }: KnownKey, path: string): Promise<Record<string, number>> {
  const { body } = await world.get<Items | { readonly items: Items }>(login, path);
  const counts: Record<string, number> = {};
  for (const { deviceId } of 'items' in body ? body.items : body) counts[deviceId] = (counts[deviceId] ?? 0) + 1;
  return counts;
}

function countOf(some: readonly KnownDevice[], of: (one: KnownDevice) => number): Record<string, number> {
  return Object.fromEntries(some.filter((one) => of(one) > 0).map((one) => [one.id, of(one)]));
}

describe('whatever tags devices and keys are given', () => {
  it('a key finds all of the devices that it sees and nothing of the others', async () => {
    expect(lists.length).toBeGreaterThan(3);
    await fc.assert(
      fc.asyncProperty(fc.array(operations, { minLength: 10, maxLength: 20 }), async (some) => {
        for (const operation of some) await (STEPS[operation.kind] as (one: Operation) => Promise<void>)(operation);
        for (let i = 0; i < KEYS; i++) await STEPS.look({ kind: 'look', key: i });
      }),
      { numRuns: 6, endOnFailure: true },
    );
  });
});
