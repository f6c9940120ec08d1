import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Scope, SCOPES } from '../../src/common/access.js';
import { requestsWith } from '../support/access.js';
import { rawHttp } from '../support/raw-http.js';
import { MATRIX } from './support/matrix.js';
import { type Route, startWalked, type WalkedApp } from './support/routes.js';

let box: WalkedApp;
/** One key for each scope, by it. */
const keys = new Map<string, string>();
beforeAll(async () => {
  box = await startWalked({ HTTP_KEY_RATE: '0' });
  for (const scope of [...SCOPES, 'commands:send:TURN_ON_FAN']) {
    const { body } = await box.as(box.adminKey).post<{ key: string }>('/v1/api-keys', { name: scope, scopes: [scope] });
    keys.set(scope, body.key);
  }
});
afterAll(() => box.close());

const nameOf = ({ method, path }: Route) => `${method === 'HEAD' ? 'GET' : method} ${path}`;
const target = (path: string) => path.replaceAll('{}', 'nothing');

/** The status of a request without a body whose path goes out as it is. Who may use a route is judged before the body, but after its type. */
async function ask(method: string, path: string, login: string | null): Promise<number> {
  const head = [
    `${method} ${path} HTTP/1.1`,
    'Host: localhost',
    'Connection: close',
    ...(login === null ? [] : [`Authorization: ${login}`]),
    ...(method === 'POST' || method === 'PATCH' ? ['Content-Length: 0'] : []),
  ];
  const answer = await rawHttp(box.httpUrl, `${head.join('\r\n')}\r\n\r\n`);
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
}

/** The path of a route as others write it. */
function variants(path: string): string[] {
  const first = path.slice(1, 2);
  return [
    `${path}/`,
    `/${path}`,
    `/.${path}`,
    `/x/..${path}`,
    `/%2e%2e${path}`,
    `/%${first.charCodeAt(0).toString(16)}${path.slice(2)}`,
    path.replace(/(.)$/, (last) => `%${last.charCodeAt(0).toString(16)}`),
    path.replaceAll('/', '%2f').replace('%2f', '/'),
    path.replaceAll('/', '\\').replace('\\', '/'),
    path.toUpperCase(),
    `${path};x=y`,
    `${path}?key=${box.adminKey}`,
    `${path}#x`,
    `${path}%00`,
    `${path}%20`,
    `${path}.json`,
  ];
}

describe('Every route', () => {
  it('is one of which is written who may use it', () => {
    expect(box.routes.length).toBeGreaterThan(40);
    expect(box.routes.map(nameOf).filter((name) => !(name in MATRIX))).toEqual([]);
  });

  it('refuses everybody who has not logged in, but for the public ones', async () => {
    for (const route of box.routes) {
      const expected = MATRIX[nameOf(route)];
      const status = await ask(route.method, target(route.path), null);
      if (expected === 'public') expect([route, status]).toEqual([route, route.method === 'POST' ? 400 : 200]);
      else if (expected === 'broker') expect([route, status]).toEqual([route, 200]);
      else expect([route, status]).toEqual([route, 401]);
    }
  });

  it('lets in the keys that may use it, and no others', async () => {
    for (const [granted, key] of keys) {
      for (const route of box.routes) {
        const expected = MATRIX[nameOf(route)]!;
        const status = await ask(route.method, target(route.path), `Bearer ${key}`);
        const said = { granted, route, status };
        if (expected === 'device') expect(said).toMatchObject({ status: 401 });
        else if (mayUse(granted, expected)) expect([401, 403]).not.toContain(said.status);
        else expect(said).toMatchObject({ status: 403 });
      }
    }
  });

  it('is reached under no other spelling by somebody who may not use it', async () => {
    const narrow = keys.get('stream:read')!;
    for (const route of box.routes.filter((one) => !['public', 'any key', 'broker'].includes(MATRIX[nameOf(one)]!))) {
      for (const path of variants(target(route.path))) {
        expect([401, 404, 400]).toContain(await said(route.method, path, null));
        expect([401, 403, 404, 400]).toContain(await said(route.method, path, `Bearer ${narrow}`));
      }
    }
    async function said(method: string, path: string, login: string | null): Promise<number | string> {
      const status = await ask(method, path, login);
      return status < 400 || status >= 500 ? `${method} ${path}: ${status}` : status;
    }
  }, 120_000);

  it('is answered to HEAD as to GET', async () => {
    for (const { path } of box.routes.filter(({ method }) => method === 'GET')) {
      expect(box.routes).toContainEqual({ method: 'HEAD', path });
    }
  });

  it('takes no key from the query, the body or another header', async () => {
    const key = box.adminKey;
    const anonymous = requestsWith(box.httpUrl, {});
    for (const name of ['key', 'api_key', 'apikey', 'token', 'access_token', 'authorization']) {
      expect((await anonymous.get(`/v1/commands?${name}=${key}`)).status).toBe(401);
    }
    for (const header of ['x-api-key', 'api-key', 'x-authorization', 'proxy-authorization', 'x-auth-token']) {
      expect((await anonymous.get('/v1/commands', { [header]: `Bearer ${key}` })).status).toBe(401);
    }
    expect((await anonymous.post('/v1/api-keys', { name: 'x', scopes: ['admin'], key })).status).toBe(401);
    expect((await anonymous.post('/v1/commands', {}, { 'x-http-method-override': 'GET' })).status).toBe(404);
  });

  it.each([
    '/v1',
    '/v1/',
    '/v1/nothing',
    '/admin',
    '/.env',
    '/metrics',
    '/v1/api-keys/a/b',
    '/..%2f..%2fetc/passwd',
    '/%5c',
  ])('is 404 where there is none: %s, whoever asks', async (path) => {
    for (const login of [null, `Bearer ${box.adminKey}`])
      expect([path, await ask('GET', path, login)]).toEqual([path, 404]);
  });

  it.each(['PUT', 'PATCH', 'OPTIONS', 'TRACE'])('is 404 for %s where it has no such method', async (method) => {
    for (const path of ['/v1/api-keys', '/v1/commands', '/control', '/']) {
      expect([path, await ask(method, path, `Bearer ${box.adminKey}`)]).toEqual([path, 404]);
    }
  });
});

function mayUse(granted: string, expected: string): boolean {
  if (['public', 'any key', 'broker'].includes(expected) || granted === 'admin' || granted === expected) return true;
  return granted.startsWith('commands:send:') && (expected as Scope) === 'commands:send';
}
