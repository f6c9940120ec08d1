import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Scope, SCOPES } from '../../src/common/access.js';
import { type Callers, othersThan, strangersTo } from './matrix-rest.callers.js';
import {
  askedOf,
  exampleOf,
  holdsPart,
  letsIn,
  matcherOf,
  nameOf,
  newSubject,
  SITE,
  tokenOf,
  verdictOf,
} from './matrix-rest.asked.js';
import { EXAMPLES, type Subject } from './matrix-rest.examples.js';
import { Asker, rowsOf, SPELLINGS, VARIANTS } from './matrix-rest.asker.js';
import { inWords, WHO_MAY } from './matrix-rest.expected.js';
import { gatherRoutes, type ServedRoute } from './matrix-rest.routes.js';
import { type Login, TagWorld } from './tags-world.js';

const OTHER_SITE = { site: 'b' };
const GRANTED = SCOPES.filter((scope) => scope !== 'admin');

let world: TagWorld;
let routes: readonly ServedRoute[];
let subject: Subject;
let admin: Login;
let device: Login;
/** Whoever has no valid login for users. */
let strangers: Callers;
/** Whoever has none for devices. */
let noDevices: Callers;
const byScope = new Map<string, Login>();
let onSite: Login;
let elsewhere: Login;
let asker: Asker;

beforeAll(async () => {
  let served: (() => ServedRoute[]) | undefined;
  world = await TagWorld.start({}, (app) => (served = gatherRoutes(app)));
  asker = new Asker(world.signalbox.httpUrl);
  routes = served!();
  admin = await world.key(['admin']);
  subject = await newSubject(world, admin);
  device = await world.credential(subject.deviceId);
  for (const scope of SCOPES) byScope.set(scope, await world.key([scope]));
  byScope.set('commands:send:ON', await world.key(['commands:send:ON']));
  byScope.set('commands:send:OFF', await world.key(['commands:send:OFF']));
  onSite = await world.key(GRANTED, { tags: SITE });
  elsewhere = await world.key(GRANTED, { tags: OTHER_SITE });
  strangers = await strangersTo(world, admin, device);
  const { deviceId: other } = await newSubject(world, admin);
  noDevices = othersThan(other, admin, device);
});
afterAll(async () => {
  asker?.end();
  await world?.stop();
});

/** EMQX takes other statuses for "ask the next one". */
const DENIED = '{"result":"deny"}';

interface Finding {
  readonly who: string;
  readonly what: string;
  readonly status: number;
  readonly expected: string;
}

/** Asks for the route as each of these, plainly and in each variant, and tells where the answer is not the one that is due. */
async function findings(
  route: ServedRoute,
  who: Callers,
  due: (name: string) => readonly number[],
  strongest: string | undefined,
  hasScope = false,
): Promise<Finding[]> {
  const asked = askedOf(route, subject);
  const wrong: Finding[] = [];
  const routed = new Map<string, boolean>();
  for (const [variant, change] of Object.entries(VARIANTS)) {
    const other = change(asked);
    if (other && !exampleOf(route).fresh) {
      routed.set(variant, verdictOf(await asker.ask(other, strongest)) !== 'not found');
    }
  }
  const asks = [...who].map(async ([name, authorization]) => {
    const status = await asker.ask(asked, authorization);
    if (!due(name).includes(status)) wrong.push({ who: name, what: 'plainly', status, expected: due(name).join() });
    for (const [variant, change] of Object.entries(VARIANTS)) {
      const other = change(asked);
      if (!other) continue;
      const answer = await asker.ask(other, authorization);
      // 404 for everybody where the variant is no route; a route that nobody gets further with (HEAD) may say who it is not for.
      const expected = [verdictOf(status), ...(routed.get(variant) === true ? [] : ['not found'])];
      // Whoever has the scope is told first what is wrong in the request, whatever it is about.
      if (hasScope && answer === 400) expected.push('let in');
      if (!expected.includes(verdictOf(answer))) {
        wrong.push({ who: name, what: variant, status: answer, expected: expected.join() });
      }
    }
  });
  await Promise.all(asks);
  return wrong;
}

const only = (kind: string) => routes.filter(({ access }) => access?.kind === kind);
const exemplified = (kind: string) => only(kind).filter((route) => nameOf(route) in EXAMPLES);

/** The wrong answers of several routes, by route. */
async function over(
  some: readonly ServedRoute[],
  find: (route: ServedRoute) => Promise<Finding[]>,
): Promise<Record<string, readonly Finding[]>> {
  const found: [string, readonly Finding[]][] = [];
  for (const route of some) {
    const wrong = await find(route);
    if (wrong.length > 0) found.push([nameOf(route), wrong]);
  }
  return Object.fromEntries(found);
}

describe('every route of the running application', () => {
  it('declares who may use it as is written here, and has an example here', () => {
    expect(routes.length).toBeGreaterThan(15);
    expect(Object.fromEntries(routes.map((route) => [nameOf(route), inWords(route.access)]))).toEqual(WHO_MAY);
    expect(routes.map(nameOf).filter((name) => !(name in EXAMPLES))).toEqual([]);
    expect(Object.keys(EXAMPLES).filter((name) => !routes.map(nameOf).includes(name))).toEqual([]);
  });

  it('answers 401 to all without a valid login, 403 to a key without the scope, the same in every variant, and changes nothing', async () => {
    const before = await rowsOf(world.signalbox);
    expect(before['commands']?.length).toBeGreaterThan(0);
    const wrong = await over(only('scope'), async (route) => {
      const { scope } = route.access as { readonly scope: Scope };
      const without = [...byScope].filter(([one]) => !letsIn(one, scope));
      const logins = new Map(without.map(([name, { authorization }]) => [name, authorization]));
      // Which type it may not send, only the body shows.
      const half = new Map([...logins].filter(([one]) => holdsPart(one, scope)));
      const weak = new Map([...logins].filter(([one]) => !holdsPart(one, scope)));
      return [
        ...(await findings(route, strangers, () => [401], undefined)),
        ...(await findings(route, weak, () => [403], undefined)),
        ...(await findings(route, half, () => [403], undefined, true)),
      ];
    });
    expect(wrong).toEqual({});
    expect(await over(only('device'), (route) => findings(route, noDevices, () => [401], undefined))).toEqual({});
    expect(await rowsOf(world.signalbox)).toEqual(before);
  });

  it('answers a key that is limited to other devices as if there were none, and changes nothing', async () => {
    const before = await rowsOf(world.signalbox);
    const limited = new Map([['a key of another site', elsewhere.authorization]]);
    const wrong = await over(exemplified('scope'), (route) =>
      findings(route, limited, () => exampleOf(route).hidden ?? [404], elsewhere.authorization, true),
    );
    expect(wrong).toEqual({});
    // It may publish nothing and read nothing, so that what it was let in to has changed nothing either.
    expect(await rowsOf(world.signalbox)).toEqual(before);
  });

  it('lets a key in by one scope alone or by admin, and a limited one to its devices, the same in every variant', async () => {
    const wrong = await over(
      exemplified('scope').filter((route) => !exampleOf(route).fresh),
      async (route) => {
        const { scope } = route.access as { readonly scope: Scope };
        const { status, limited = status } = exampleOf(route);
        const keys = new Map(
          [...byScope].filter(([one]) => letsIn(one, scope)).map(([name, { authorization }]) => [name, authorization]),
        );
        const site = new Map([['a key of the site', onSite.authorization]]);
        return [
          ...(await findings(route, keys, () => status, admin.authorization)),
          ...(await findings(route, site, () => limited, onSite.authorization, true)),
        ];
      },
    );
    expect(wrong).toEqual({});
  });

  it('lets them in where the request uses up what it is about', async () => {
    for (const route of exemplified('scope').filter((one) => exampleOf(one).fresh)) {
      const { scope } = route.access as { readonly scope: Scope };
      const { status } = exampleOf(route);
      for (const login of [admin, byScope.get(scope)!, ...(exampleOf(route).limited ? [] : [onSite])]) {
        const about = await newSubject(world, admin);
        const nothing = { ...about, deviceId: 'nobody', commandId: 'none', credentialId: 'none', keyId: 'none' };
        for (const hidden of [about, nothing]) {
          expect(exampleOf(route).hidden ?? [404]).toContain(
            await asker.ask(askedOf(route, hidden), elsewhere.authorization),
          );
        }
        expect(status).toContain(await asker.ask(askedOf(route, about), login.authorization));
      }
    }
  });

  it('tells any key of itself where it is for all of them', async () => {
    const keys = new Map([...byScope].map(([name, { authorization }]) => [name, authorization]));
    keys.set('a limited key', onSite.authorization);
    const wrong = await over(exemplified('user'), async (route) => [
      ...(await findings(route, strangers, () => [401], undefined)),
      ...(await findings(route, keys, () => exampleOf(route).status, admin.authorization)),
    ]);
    expect(wrong).toEqual({});
  });

  it('lets a device in by its credential where it is for devices', async () => {
    const devices = new Map([['the device', device.authorization]]);
    const wrong = await over(exemplified('device'), (route) =>
      findings(route, devices, () => exampleOf(route).status, device.authorization),
    );
    expect(wrong).toEqual({});
  });

  it('is open to everybody where it is public, whatever login they send', async () => {
    const wrong = await over(exemplified('public'), (route) =>
      findings(route, strangers, () => exampleOf(route).status, undefined),
    );
    expect(wrong).toEqual({});
  });

  it('denies a broker everything without its secret, whatever login it sends, and changes nothing', async () => {
    const before = await rowsOf(world.signalbox);
    const logins = [...new Set([...strangers.values(), admin.authorization, onSite.authorization])];
    for (const route of exemplified('broker')) {
      const asked = askedOf(route, subject);
      for (const change of [() => asked, ...Object.values(VARIANTS)]) {
        const other = change(asked);
        if (!other) continue;
        for (const login of logins) {
          const { status, text } = await asker.answer(other, login);
          if (status !== 404) expect([other.path, status, text]).toEqual([other.path, 200, DENIED]);
        }
      }
      expect(await asker.ask(asked, undefined)).toBe(200);
    }
    expect(await rowsOf(world.signalbox)).toEqual(before);
  });

  it('is reached under no other spelling, and with no key in the query, by somebody who may not use it', async () => {
    const narrow = byScope.get('stream:read')!.authorization;
    const before = await rowsOf(world.signalbox);
    const wrong: string[] = [];
    for (const route of [...only('scope'), ...only('device'), ...only('user')]) {
      const asked = askedOf(route, subject);
      const inQuery = {
        ...asked,
        path: `${asked.path}${asked.path.includes('?') ? '&' : '?'}key=${tokenOf(admin.authorization)}`,
      };
      const others = [inQuery, ...Object.values(SPELLINGS).flatMap((spell) => spell(asked) ?? [])];
      for (const other of others) {
        for (const login of route.access?.kind === 'user' ? [undefined] : [undefined, narrow]) {
          const status = await asker.ask(other, login);
          if (![400, 401, 403, 404, 415].includes(status))
            wrong.push(`${other.method} ${other.path} (${login ? 'a narrow key' : 'no login'}): ${status}`);
        }
      }
    }
    expect(wrong).toEqual([]);
    expect(await rowsOf(world.signalbox)).toEqual(before);
  });

  it('is answered to HEAD where it is to GET', async () => {
    for (const route of routes.filter(({ method }) => method === 'GET')) {
      const asked = askedOf(route, subject);
      const get = await asker.ask(asked, undefined);
      expect([route.url, await asker.ask({ ...asked, method: 'HEAD' }, undefined)]).toEqual([route.url, get]);
    }
  });

  it('answers 404 to everybody for a method that it does not have', async () => {
    const paths = new Set(routes.map((route) => askedOf(route, subject).path));
    const isRoute = (method: string, path: string) =>
      routes.some((route) => route.method === method && matcherOf(route).test(path.split('?', 1)[0]!));
    for (const path of paths) {
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND']) {
        if (isRoute(method === 'HEAD' ? 'GET' : method, path)) continue;
        for (const login of [undefined, admin.authorization]) {
          const { status, text } = await asker.answer({ method, path, headers: {} }, login);
          const denied = path.startsWith('/internal/') && status === 200 && ['', DENIED].includes(text);
          expect([method, path, denied ? 404 : status]).toEqual([method, path, 404]);
        }
      }
    }
  });

  it('is one of these: any other path is 404, whoever asks', async () => {
    const paths = '/v1 /v1/ /v1/nothing /admin /.env /metrics /v1/api-keys/a/b /..%2f..%2fetc/passwd /%5c';
    for (const path of paths.split(' ')) {
      for (const login of [undefined, admin.authorization]) {
        expect([path, await asker.ask({ method: 'GET', path, headers: {} }, login)]).toEqual([path, 404]);
      }
    }
  });
});
