import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { bearer, type RequiredApp, requestsWith, startRequired } from '../support/access.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { temporaryDirectory } from '../support/process.js';
import { describeWith, services } from '../support/services.js';
import { rawHttp } from '../support/raw-http.js';

const POLICY: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};
/** What tells of the software, lets pages of other origins in, or is for HTTPS alone. */
const NEVER = [
  'server',
  'x-powered-by',
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-allow-methods',
  'strict-transport-security',
];

let open: TestApp;
let required: RequiredApp;
beforeAll(async () => {
  [open, required] = await Promise.all([createTestApp(), startRequired()]);
});
afterAll(() => Promise.all([open.close(), required.close()]));

function headersIn(answer: string): Map<string, string> {
  const lines = answer.split('\r\n\r\n', 1)[0]!.split('\r\n').slice(1);
  return new Map(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
  );
}

const ANSWERS: readonly (readonly [number, string, string])[] = [
  [200, 'the front door', 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'],
  [200, 'a list that is streamed', 'GET /sensors HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{login}\r\n'],
  [200, 'HEAD', 'HEAD /v1/commands HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{login}\r\n'],
  [404, 'an unknown route', 'GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'],
  [
    404,
    'OPTIONS of a page elsewhere',
    'OPTIONS /sensors HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nAccess-Control-Request-Method: GET\r\nConnection: close\r\n\r\n',
  ],
  [
    200,
    'a request of a page elsewhere',
    'GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nConnection: close\r\n\r\n',
  ],
  [400, 'a wrong query', 'GET /sensors?limit=x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{login}\r\n'],
  [400, 'a path that is no text', 'GET /%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'],
  [400, 'no host', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n'],
  [400, 'no HTTP at all', 'nonsense\r\n\r\n'],
  [
    413,
    'a body that is too large',
    'POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2000000\r\nConnection: close\r\n{login}\r\n',
  ],
  [
    415,
    'a form',
    'POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 1\r\nConnection: close\r\n{login}\r\nx',
  ],
  [431, 'headers that are too large', `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`],
];

describe('Every answer', () => {
  it.each(ANSWERS)('(%i to %s) tells browsers to keep to what it is', async (status, _, text) => {
    for (const [url, login] of [
      [open.httpUrl, ''],
      [required.httpUrl, `Authorization: Bearer ${required.adminKey}\r\n`],
    ] as const) {
      const answer = await rawHttp(url, text.replace('{login}', login));
      expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
      const headers = headersIn(answer);
      for (const [name, value] of Object.entries(POLICY)) expect([name, headers.get(name)]).toEqual([name, value]);
      for (const name of NEVER) expect([name, headers.get(name)]).toEqual([name, undefined]);
      expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  it('does so where the login is refused', async () => {
    for (const answer of [
      await required.anonymous.get('/v1/commands'),
      await required.anonymous.get('/v1/device/commands/next'),
      await required.as('nonsense').post('/publish', {}),
    ]) {
      expect(answer.status).toBe(401);
      for (const [name, value] of Object.entries(POLICY))
        expect([name, answer.headers.get(name)]).toEqual([name, value]);
    }
  });
});

describeWith(['openssl'], 'An answer over HTTPS', () => {
  it('tells browsers to come so from now on, and gives them a cookie for HTTPS alone', async () => {
    const directory = temporaryDirectory();
    const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(directory.path, name)) as [string, string];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'];
    execFileSync(services.openssl!, [...args, '-keyout', key, '-out', cert, ...subject], { stdio: 'ignore' });
    const box = await startRequired({ HTTP_TLS_CERT: cert, HTTP_TLS_KEY: key });
    const body = JSON.stringify({ key: box.adminKey });
    const headers = await new Promise<Record<string, unknown>>((resolve, reject) => {
      const options = { method: 'POST', ca: readFileSync(cert), headers: { 'content-type': 'application/json' } };
      request(`${box.httpUrl}/v1/session`, options, (answer) => {
        answer.resume();
        resolve(answer.headers);
      })
        .on('error', reject)
        .end(body);
    });
    await box.close();
    directory.remove();
    expect(headers).toMatchObject({ ...POLICY, 'strict-transport-security': 'max-age=31536000' });
    expect(String(headers['set-cookie'])).toMatch(/^__Host-signalbox=.*; Secure$/);
  });
});

describe('GET /health', () => {
  it('is one word for everybody, and the details are for keys with metrics:read', async () => {
    const make = async (scope: string) =>
      (await required.admin.post<{ key: string }>('/v1/api-keys', { name: 'k', scopes: [scope] })).body.key;
    const [metrics, other] = [await make('metrics:read'), await make('telemetry:read')];
    for (const login of [{}, bearer(other), bearer('nonsense'), { authorization: 'Basic eDp5' }]) {
      const answer = await requestsWith(required.httpUrl, login).get('/health');
      expect([answer.status, answer.body]).toEqual([200, { status: 'OK' }]);
    }
    for (const key of [metrics, required.adminKey]) {
      expect((await required.as(key).get('/health')).body).toMatchObject({
        status: 'OK',
        database: { status: 'up' },
        broker: { status: 'up' },
      });
    }
  });

  it('has the details in open mode', async () => {
    expect((await requestsWith(open.httpUrl, {}).get('/health')).body).toMatchObject({ database: { status: 'up' } });
  });
});

describe('TRUST_PROXY', () => {
  const forwarded = { 'x-forwarded-for': '203.0.113.9, 198.51.100.7' };
  const addressOf = async (box: RequiredApp, headers: Record<string, string>) => {
    const { body } = await box.admin.post<{ id: string }>(
      '/v1/api-keys',
      { name: 'k', scopes: ['commands:read'] },
      headers,
    );
    const audit = await box.admin.get<{ items: { ip: string }[] }>(`/v1/audit?target=${body.id}`);
    return audit.body.items[0]!.ip;
  };

  it('makes a proxy believed that says whom a request comes from, up to the first that is none', async () => {
    const box = await startRequired({ TRUST_PROXY: '10.0.0.0/8, 127.0.0.1' });
    expect(await addressOf(box, forwarded)).toBe('198.51.100.7');
    expect(await addressOf(box, { 'x-forwarded-for': '203.0.113.9, 10.1.2.3' })).toBe('203.0.113.9');
    expect(await addressOf(box, { 'x-forwarded-for': '::ffff:203.0.113.9' })).toBe('203.0.113.9');
    expect(await addressOf(box, {})).toBe('127.0.0.1');
    for (const nonsense of ['<script>', 'a'.repeat(4_000), '1.2.3.4:5', '"quoted"']) {
      expect(await addressOf(box, { 'x-forwarded-for': nonsense })).toBe('127.0.0.1');
    }
    await box.close();
  });

  it('empty believes nobody', async () => {
    expect(await addressOf(required, forwarded)).toBe('127.0.0.1');
    expect(
      (await required.anonymous.get('/health', { 'x-forwarded-proto': 'https' })).headers.get(
        'strict-transport-security',
      ),
    ).toBeNull();
  });

  it('changes nothing of open mode, where such headers are refused', async () => {
    const box = await createTestApp({ TRUST_PROXY: '127.0.0.1' });
    const { status } = await requestsWith(box.httpUrl, forwarded).get('/health');
    await box.close();
    expect(status).toBe(403);
  });
});
