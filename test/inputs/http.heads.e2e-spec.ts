import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { basic } from '../control/http-device.js';
import { get, post } from '../support/http.js';
import { rawHttp } from '../support/raw-http.js';
import { Stage } from './support/stage.js';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.start();
});
afterEach(async () => {
  await stage.holds('a-secret');
});
afterAll(async () => {
  await stage.logsRefusals();
  await stage.stop();
});

const ask = (...lines: readonly string[]) => rawHttp(stage.service.httpUrl, [...lines, '', ''].join('\r\n'));
const FORGED = '{"level":"error","msg":"forged"}';

describe('CR LF, ESC, fake JSON in headers and ids', () => {
  const EVIL = `a\r\n${FORGED}\r\n\u001b[2J\u009b1m`;

  it('(a path) one escaped line', async () => {
    const path = `/${encodeURIComponent(EVIL)}`;
    expect(await stage.lineOf(() => get(stage.url(path)))).toMatchObject({
      msg: 'request refused',
      code: 'NOT_FOUND',
      path,
    });
  });

  it('(a device id in a path) one escaped line', async () => {
    const path = `/v1/devices/${encodeURIComponent(EVIL)}/commands`;
    expect(await stage.lineOf(() => get(stage.url(path)))).toMatchObject({ code: 'VALIDATION_FAILED', path });
  });

  it('(a device id in a login) one escaped line', async () => {
    const login = basic(`${EVIL}:a-secret`);
    const line = await stage.lineOf(() => post(stage.url('/v1/device/telemetry'), { t: 1 }, login));
    expect(line).toMatchObject({ msg: 'request refused', code: 'UNAUTHORIZED' });
  });

  it.each([
    ['ESC in a value', `X-Evil: \u001b[2J${FORGED}`],
    ['NUL in a value', `X-Evil: a\0b`],
    ['a bare CR in a value', `X-Evil: a\r${FORGED}`],
    ['fake JSON as a name', `${FORGED}: 1`],
    ['a line that goes on', `X-Evil: a\r\n ${FORGED}`],
  ])('(%s of a header) 400', async (_, header) => {
    expect(await ask('GET /sensors HTTP/1.1', 'Host: localhost', 'Connection: close', header)).toMatch(
      /^HTTP\/1\.1 400 [^]*"code":"BAD_REQUEST"/,
    );
  });

  it('(a request id of the client) is not taken over', async () => {
    const { headers } = await get(stage.url('/nowhere'), { 'x-request-id': FORGED, 'request-id': FORGED });
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('200 headers, 64 KB header, CL+TE, two CL, bare LF', () => {
  const POST = ['POST /publish HTTP/1.1', 'Host: localhost', 'Content-Type: application/json'];
  const SMUGGLED = '0\r\n\r\nGET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n';

  it.each([
    ['a length with a sign', 'Content-Length: +5'],
    ['a negative length', 'Content-Length: -1'],
    ['a length in hex', 'Content-Length: 0x5'],
    ['a list of lengths', 'Content-Length: 5, 5'],
    ['a blank before the colon', 'Transfer-Encoding : chunked'],
    ['another transfer encoding', 'Transfer-Encoding: xchunked'],
    ['chunked not last', 'Transfer-Encoding: chunked, identity'],
    ['both, in either order', 'Transfer-Encoding: chunked\r\nContent-Length: 5'],
  ])('(%s) 400, and nothing behind it is read as a request', async (_, header) => {
    const answer = await rawHttp(stage.service.httpUrl, `${[...POST, header].join('\r\n')}\r\n\r\n${SMUGGLED}`);
    expect(answer).toMatch(/^HTTP\/1\.1 400 [^]*"code":"BAD_REQUEST"/);
    expect(answer.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
  });
});

describe('foreign Origin; form POST; foreign Host in open mode', () => {
  it.each(['/', '/sensors', '/publish', '/v1/commands'])('(a preflight of %s) no CORS header', async (path) => {
    const answer = await ask(
      `OPTIONS ${path} HTTP/1.1`,
      'Host: localhost',
      'Connection: close',
      'Origin: http://evil.example',
      'Access-Control-Request-Method: POST',
      'Access-Control-Request-Headers: authorization, content-type',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    expect(answer).not.toMatch(/access-control-/i);
  });

  it.each([
    ['application/x-www-form-urlencoded', 'message=a', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['multipart/form-data; boundary=x', '--x--', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['text/plain', '{"message": "a"}', 415, 'UNSUPPORTED_MEDIA_TYPE'],
  ])('(a form of another page as %s) nothing is done', async (type, body, status, code) => {
    const { headers } = await stage.refuses({ status, code }, () =>
      post(stage.url('/publish'), body, { 'content-type': type, origin: 'http://evil.example' }),
    );
    expect(headers.get('access-control-allow-origin')).toBeNull();
    expect((await get(stage.url('/messages'))).body).toEqual([]);
  });
});
