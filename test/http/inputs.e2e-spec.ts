import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { gzipSync } from 'node:zlib';
import { createTestApp, type TestApp } from '../support/app.js';
import { get, post, type ProblemBody } from '../support/http.js';
import { rawHttp } from '../support/raw-http.js';

let signalbox: TestApp;
beforeAll(async () => {
  signalbox = await createTestApp();
});
afterAll(async () => {
  await signalbox.close();
});

const url = (path: string) => `${signalbox.httpUrl}${path}`;
const headersOf = (name: string, value: string) =>
  `GET /sensors HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${name}: ${value}\r\n\r\n`;

describe('A bad body', () => {
  it.each<[string, string | Uint8Array]>([
    ['malformed', '{"message": '],
    ['empty', ''],
    ['NaN', '{"message": NaN}'],
    ['beyond a double', '{"message": 1e999}'],
    ['nested too deeply', `{"message": ${'['.repeat(200_000)}${']'.repeat(200_000)}}`],
    ['invalid UTF-8', Uint8Array.of(0x22, 0xff, 0x22)],
    ['a lone surrogate', '{"message": "\\ud800"}'],
    ['NUL', '{"message": "\\u0000"}'],
    ['__proto__', '{"message": {"__proto__": {"admin": true}}}'],
    ['__proto__ at the top', '{"message": "a", "__proto__": {"topic": "x"}}'],
  ])('(%s) is answered 400 with a problem document', async (_, body) => {
    const { status, headers, body: problem } = await post<ProblemBody>(url('/publish'), body);
    expect(status).toBe(400);
    expect(headers.get('content-type')).toBe('application/problem+json');
    expect(problem).toMatchObject({ status: 400, instance: '/publish', requestId: headers.get('x-request-id') });
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  it('takes the last of duplicate keys, and constructor as an ordinary key', async () => {
    const { status, body } = await post(
      url('/publish'),
      '{"message": "a", "message": {"constructor": 1, "a": [{"constructor": {}}]}}',
    );
    expect(status).toBe(200);
    expect(body).toMatchObject({ message: { constructor: 1, a: [{ constructor: {} }] } });
  });

  it('with constructor as a field of the request is answered 400', async () => {
    const { status, body } = await post<ProblemBody>(url('/publish'), '{"message": "a", "constructor": {"x": 1}}');
    expect([status, body.errors]).toEqual([
      400,
      [{ pointer: '/constructor', detail: 'constructor is not known here', code: 'UNKNOWN_FIELD' }],
    ]);
  });

  it('over 1 MiB is answered 413', async () => {
    const { status, body } = await post<ProblemBody>(url('/publish'), { message: 'x'.repeat(1_048_577) });
    expect([status, body.code]).toEqual([413, 'BODY_TOO_LARGE']);
  });

  it('chunked without an end is answered 413 as soon as it is over the limit', async () => {
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    const head =
      'POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
    expect(await rawHttp(signalbox.httpUrl, head, ...Array.from({ length: 17 }, () => chunk))).toMatch(
      /^HTTP\/1\.1 413/,
    );
  });

  it.each([
    ['text/plain', {}],
    ['application/x-www-form-urlencoded', {}],
    ['application/json; charset=utf-16', {}],
    ['application/json; charset=utf-8; charset=utf-16', {}],
    ['application/json', { 'content-encoding': 'gzip' }],
  ])('as %s %j is answered 415', async (type, headers) => {
    const body = 'content-encoding' in headers ? gzipSync('{"message":"a"}') : '{"message":"a"}';
    const answer = await post<ProblemBody>(url('/publish'), body, { 'content-type': type, ...headers });
    expect([answer.status, answer.body.code]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE']);
  });
});

describe('A bad request', () => {
  it.each(['/nothing', '/..%2f..%2fetc/passwd', '/%5c', '/sensors/', '//sensors', '/v1/commands/unknown', '/a%00b'])(
    '%s is answered 404',
    async (path) => {
      const { status, body } = await get<ProblemBody>(url(path));
      expect([status, body.status]).toEqual([404, 404]);
    },
  );

  it('with a malformed URL is answered 400 with a problem document', async () => {
    const { status, body } = await get<ProblemBody>(url('/%zz'));
    expect([status, body.code]).toEqual([400, 'BAD_REQUEST']);
  });

  it.each([
    [
      'two lengths',
      'POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx',
      400,
    ],
    [
      'length and chunks',
      'POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    ['a bare line feed', 'GET /sensors HTTP/1.1\nHost: localhost\n\n', 400],
    ['no HTTP at all', '\u0010\u0020nonsense\r\n\r\n', 400],
    ['no Host', 'GET /sensors HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['two Hosts', headersOf('Host', 'evil.example'), 400],
    ['another target', 'GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 400],
    ['200 headers', headersOf('A', '1\r\nA: 1'.repeat(100)), 431],
    ['64 KiB of header', headersOf('X-Big', 'x'.repeat(65_536)), 431],
  ])('(%s) is refused and the connection closed', async (_, bytes, status) => {
    expect(await rawHttp(signalbox.httpUrl, bytes)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [^]*"status":${status}`));
  });
});

describe('Open mode', () => {
  it.each([
    ['forwarded', 'for=1.2.3.4'],
    ['x-forwarded-for', '1.2.3.4'],
    ['x-forwarded-anything', 'x'],
    ['x-real-ip', '1.2.3.4'],
    ['via', '1.1 proxy'],
    ['host', 'evil.example'],
    ['host', 'localhost.evil.example'],
    ['host', '10.0.0.1'],
  ])('refuses %s: %s with 403', async (name, value) => {
    const host = name === 'host' ? value : 'localhost';
    const other = name === 'host' ? '' : `${name}: ${value}\r\n`;
    const answer = await rawHttp(
      signalbox.httpUrl,
      `GET /sensors HTTP/1.1\r\nHost: ${host}\r\n${other}Connection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 403 [^]*"code":"OPEN_MODE"/);
  });

  it.each([
    [{ origin: 'http://evil.example' }, 403],
    [{ origin: 'null' }, 403],
    [{ 'sec-fetch-site': 'cross-site' }, 403],
    [{ 'sec-fetch-site': 'same-site' }, 403],
    [{ 'sec-fetch-site': 'same-origin' }, 200],
    [{}, 200],
  ] as const)('answers a write with %j by %i', async (headers, status) => {
    const { port } = new URL(signalbox.httpUrl);
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const body = '{"message":"a"}';
    const answer = await rawHttp(
      signalbox.httpUrl,
      `POST /publish HTTP/1.1\r\nHost: localhost:${port}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${body.length}\r\n${lines.join('')}\r\n${body}`,
    );
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  });

  it('sends no CORS header', async () => {
    const { headers } = await get(url('/sensors'), { origin: 'http://evil.example' });
    expect(headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('A refused request', () => {
  it('is counted by its code, and seen in /health', async () => {
    const count = async () =>
      (await get<{ http: { refused: Record<string, number> } }>(url('/health'))).body.http.refused['BAD_FILTER'] ?? 0;
    const before = await count();
    await get(url('/messages?topic=a%23'));
    expect(await count()).toBe(before + 1);
  });
});
