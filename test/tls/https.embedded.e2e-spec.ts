import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { rawHttp } from '../support/raw-http.js';
import { type Files, makeFiles } from './support/tls-box.js';

const run = promisify(execFile);

let files: Files;
let signalbox: TestApp;
let port: number;
beforeAll(async () => {
  files = makeFiles();
  const settings = { HTTP_TLS_CERT: files.served.cert, HTTP_TLS_KEY: files.served.key };
  signalbox = await createTestApp(settings, undefined, {
    headersTimeout: 300,
    requestTimeout: 600,
    stallTimeout: 1_500,
  });
  port = Number(new URL(signalbox.httpUrl).port);
});
afterAll(async () => {
  await signalbox.close();
  files.remove();
});

async function curl(...args: readonly string[]): Promise<string> {
  const { stdout } = await run('curl', ['-s', '-S', '--cacert', files.authority.ca, ...args]);
  return stdout;
}

const health = (): Promise<string> => curl(`https://localhost:${port}/livez`);

/** All that comes back until the end, or the code of the error. */
async function answerOf(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  let failure = '';
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', (error: NodeJS.ErrnoException) => (failure = error.code ?? error.message));
  await new Promise((resolve) => socket.once('close', resolve));
  return Buffer.concat(chunks).toString('latin1') || failure;
}

function open(text = '', options: ConnectionOptions = {}): TLSSocket {
  const socket = connectTls({ port, host: '127.0.0.1', ca: readFileSync(files.authority.ca), ...options });
  if (text !== '') socket.write(text);
  return socket;
}

describe('HTTPS', () => {
  it('serves curl, which checks the certificate, by name and by address', async () => {
    for (const host of ['localhost', '127.0.0.1'])
      expect(await curl(`https://${host}:${port}/livez`)).toBe('{"status":"OK"}');
    const body = ['-H', 'Content-Type: application/json', '-d', '{"message": "hello"}'];
    expect(await curl(`https://localhost:${port}/publish`, ...body)).toContain('Message published');
    const own = ['-H', `Origin: https://localhost:${port}`];
    expect(await curl(`https://localhost:${port}/publish`, ...own, ...body)).toContain('Message published');
    const plain = ['-H', `Origin: http://localhost:${port}`];
    expect(await curl(`https://localhost:${port}/publish`, ...plain, ...body)).toContain('OPEN_MODE');
  });

  it('refuses plain HTTP and other bytes, counts them, and goes on', async () => {
    for (const text of ['GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n', '\0\0\0\0\0\0\0\0\0\0\0\0']) {
      const socket = connectTcp(port, '127.0.0.1');
      socket.write(text);
      expect(await answerOf(socket)).not.toContain('HTTP/1.1 200');
    }
    const { http } = JSON.parse(await curl(`https://localhost:${port}/health`)) as {
      http: { refused: Record<string, number> };
    };
    expect(http.refused['BAD_REQUEST']).toBe(2);
  });

  it.each(['TLSv1', 'TLSv1.1'] as const)('refuses %s', async (version) => {
    const old = open('', { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' });
    expect(await answerOf(old)).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
    expect(await health()).toContain('OK');
  });

  it('keeps the limits of HTTP: slow heads and bodies, large heads, malformed requests', async () => {
    expect(await answerOf(open('GET /livez HTTP/1.1\r\nHost: localhost\r\n'))).toMatch(
      /^HTTP\/1\.1 408 [^]*REQUEST_TIMEOUT/,
    );
    const head =
      'POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n';
    expect(await answerOf(open(`${head}{"message":`))).toMatch(/^HTTP\/1\.1 408 /);
    const large = `GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`;
    expect(await answerOf(open(large))).toMatch(/^HTTP\/1\.1 431 [^]*HEADERS_TOO_LARGE/);
    expect(await answerOf(open('nonsense\r\n\r\n'))).toMatch(/^HTTP\/1\.1 400 [^]*BAD_REQUEST/);
    expect(await health()).toContain('OK');
  });

  it('cuts a handshake that is slow', async () => {
    const socket = connectTcp(port, '127.0.0.1');
    const began = performance.now();
    await answerOf(socket);
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  it('serves a new certificate without a restart', async () => {
    const { served } = files;
    const second = files.issueServer('second');
    files.swap(second.key, served.key);
    files.swap(second.cert, served.cert);
    await eventually('the new one is served', async () => {
      const socket = open();
      await once(socket, 'secureConnect');
      const { CN: name } = socket.getPeerCertificate().subject;
      socket.destroy();
      return name === 'second';
    });
    expect(await health()).toContain('OK');
  });
});

describe('HTTPS on localhost', () => {
  it('listens at one address, whose certificate is the one that is replaced', async () => {
    const { cert, key } = files.served;
    const other = await createTestApp({ HTTP_HOST: 'localhost', HTTP_TLS_CERT: cert, HTTP_TLS_KEY: key });
    const url = new URL(other.httpUrl);
    expect(await curl(`https://localhost:${url.port}/livez`)).toContain('OK');
    await other.close();
  });
});

describe('An upgrade on the HTTP port', () => {
  const asked = (headers: string): string =>
    `GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\n${headers}\r\n\r\n`;

  it('to a WebSocket is refused with a problem document, from whatever page', async () => {
    const plain = await createTestApp();
    const webSocket = 'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
    for (const headers of [webSocket, `${webSocket}\r\nOrigin: https://evil.example`, 'Upgrade: h2c, WebSocket']) {
      expect(await rawHttp(plain.httpUrl, asked(headers))).toMatch(/^HTTP\/1\.1 403 [^]*"code":"UPGRADE_REFUSED"/);
    }
    expect(await answerOf(open(asked(webSocket)))).toMatch(/^HTTP\/1\.1 403 [^]*"code":"UPGRADE_REFUSED"/);
    // Some clients offer HTTP/2 with every request, and go on with HTTP/1.1 where that is ignored (RFC 9110, 7.8).
    expect(await rawHttp(plain.httpUrl, asked('Upgrade: h2c'))).toMatch(/^HTTP\/1\.1 200 /);
    await plain.close();
  });
});
