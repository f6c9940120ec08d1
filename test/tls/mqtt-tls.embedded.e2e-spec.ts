import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { IClientOptions } from 'mqtt';
import { CertificateFiles } from '../../src/common/certificate-files.js';
import { Listener, type ListenerEvents } from '../../src/mqtt/embedded/listener.js';
import { tlsTransport } from '../../src/mqtt/embedded/tls.transport.js';
import { type Box, startBox } from '../mqtt/support/box.js';
import { type Authority, type Certificate, makeAuthority } from '../mqtt/support/certificates.js';
import { connectPacket, encode } from '../mqtt/support/raw-client.js';
import { eventually } from '../support/eventually.js';
import { connectMqtt } from '../support/mqtt.js';
import { keepaliveTimers } from '../support/tcp-timers.js';
import { makeServerOnly } from './support/odd-certificates.js';
import { type Files, makeFiles, RecordingAccess } from './support/tls-box.js';

const run = promisify(execFile);

let files: Files;
let device: Certificate;
let foreign: Authority;
beforeAll(() => {
  files = makeFiles();
  device = files.authority.issue('pump-1');
  foreign = makeAuthority(files.directory, 'foreign');
});
afterAll(() => files.remove());

let box: Box;
let access: RecordingAccess;
let url: string;
let port: number;
beforeEach(async () => {
  access = new RecordingAccess(true);
  const { served, authority } = files;
  box = await startBox({
    access,
    tls: { mqttPort: 0, mqttCert: served.cert, mqttKey: served.key, mqttCa: authority.ca },
  });
  url = box.link.urls[1]!;
  port = Number(new URL(url).port);
});
afterEach(() => box.close());

const pem = (path: string): Buffer => readFileSync(path);
const shown = ({ cert, key }: Certificate) => ({ cert: pem(cert), key: pem(key) });
const trusting = (options: IClientOptions = {}): IClientOptions => ({ ca: pem(files.authority.ca), ...options });

/** Opens TLS to the port and waits for its end; resolves with the code of the error, or null. */
async function attempt(
  options: ConnectionOptions,
  then: (socket: TLSSocket) => void = () => {},
): Promise<string | null> {
  const socket = connectTls({ port, host: '127.0.0.1', ca: pem(files.authority.ca), ...options });
  let code: string | null = null;
  socket.on('error', (error: NodeJS.ErrnoException) => (code = error.code ?? error.message));
  socket.once('secureConnect', () => then(socket));
  await closed(socket);
  return code;
}

async function closed(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  socket.resume();
  await new Promise((resolve) => socket.once('close', resolve));
}

async function isServing(): Promise<void> {
  const client = await connectMqtt(url, trusting({ clientId: 'witness' }));
  await client.publishAsync('devices/witness/up/telemetry', '{"a": 1}', { qos: 1 });
  await client.endAsync();
}

describe('MQTT over TLS', () => {
  it('is told of beside plain MQTT', () => {
    expect(box.link.urls).toEqual([
      expect.stringMatching(/^mqtt:/),
      expect.stringMatching(/^mqtts:\/\/127\.0\.0\.1:\d+$/),
    ]);
  });

  it('acknowledges what a device with a certificate publishes, and tells its CN to the login', async () => {
    const client = await connectMqtt(url, trusting({ clientId: 'pump-1', ...shown(device) }));
    await client.publishAsync('devices/pump-1/up/telemetry', '{"a": 1}', { qos: 1 });
    await client.endAsync();
    expect(box.recorder.payloads).toEqual(['{"a": 1}']);
    expect(access.logins).toMatchObject([{ clientId: 'pump-1', certificateName: 'pump-1', address: '127.0.0.1' }]);
  });

  it('tells the CN to the login also where TLS is resumed, and none of a client without one that resumes', async () => {
    for (const [clientId, certificate] of [
      ['pump-1', shown(device)],
      ['plain', {}],
    ] as const) {
      const options = { port, host: '127.0.0.1', ca: pem(files.authority.ca), ...certificate };
      const first = connectTls(options);
      const [[session]] = (await Promise.all([once(first, 'session'), once(first, 'secureConnect')])) as [[Buffer], []];
      await nextTurn(); // Node sends nothing that is written while it tells of a session
      first.write(encode(connectPacket(clientId)));
      await eventually('the first login', () => access.logins.some((login) => login.clientId === clientId));
      first.destroy();
      const second = connectTls({ ...options, session });
      await once(second, 'secureConnect');
      expect(second.isSessionReused()).toBe(true);
      second.write(encode(connectPacket(clientId)));
      await eventually('both logins', () => access.logins.filter((login) => login.clientId === clientId).length === 2);
      second.destroy();
    }
    const names = access.logins.map(({ clientId, certificateName }) => [clientId, certificateName]);
    expect(names).toEqual([
      ['pump-1', 'pump-1'],
      ['pump-1', 'pump-1'],
      ['plain', null],
      ['plain', null],
    ]);
  });

  it('lets a client without a certificate try its password', async () => {
    const client = await connectMqtt(url, trusting({ clientId: 'pump-2', username: 'pump-2', password: 'secret' }));
    await client.endAsync();
    expect(access.logins).toMatchObject([{ clientId: 'pump-2', username: 'pump-2', certificateName: null }]);
  });

  it('serves mosquitto_pub with a certificate', async () => {
    const tls = ['--cafile', files.authority.ca, '--cert', device.cert, '--key', device.key];
    const message = ['-q', '1', '-t', 'devices/pump-1/up/telemetry', '-m', '{"a": 2}', '-i', 'pump-1'];
    await run('mosquitto_pub', ['-h', '127.0.0.1', '-p', String(port), ...tls, ...message]);
    expect(box.recorder.payloads).toEqual(['{"a": 2}']);
    expect(access.logins[0]).toMatchObject({ certificateName: 'pump-1' });
  });

  it('refuses a certificate of another CA, and one that is self-signed, before a byte of MQTT is read', async () => {
    const selfSigned = { cert: foreign.ca, key: foreign.ca.replace(/pem$/, 'key') };
    const refused = [shown(foreign.issue('pump-1')), shown(selfSigned)];
    for (const [n, certificate] of refused.entries()) {
      await attempt(certificate, (socket) => socket.write(encode(connectPacket('pump-1'))));
      expect(box.counter('refused.certificate')).toBe(n + 1);
    }
    expect(access.logins).toEqual([]);
    expect(box.warnings).toContainEqual(expect.objectContaining({ reason: 'refused.certificate' }));
    await isServing();
  });

  it('refuses a certificate that is not made for clients', async () => {
    const certificate = makeServerOnly(files.directory, files.authority, 'pump-1');
    await attempt(shown(certificate), (socket) => socket.write(encode(connectPacket('pump-1'))));
    expect([box.counter('refused.certificate'), access.logins]).toEqual([1, []]);
  });

  it('refuses plain text, logs and counts it, and goes on', async () => {
    const socket = connectTcp(port, '127.0.0.1');
    socket.write(encode(connectPacket('pump-1')));
    await closed(socket);
    const http = connectTcp(port, '127.0.0.1');
    http.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await closed(http);
    expect(box.counter('refused.tls')).toBe(2);
    const warning = {
      reason: 'refused.tls',
      detail: 'ERR_SSL_WRONG_VERSION_NUMBER',
      address: expect.stringMatching(/^127.*:\d+$/),
    };
    expect(box.warnings).toContainEqual(expect.objectContaining(warning));
    await isServing();
  });

  it.each(['TLSv1', 'TLSv1.1'] as const)('refuses %s', async (version) => {
    const code = await attempt({ minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' });
    expect([code, box.counter('refused.tls')]).toEqual(['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 1]);
    await isServing();
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('speaks %s', async (version) => {
    await attempt({ minVersion: version, maxVersion: version }, (socket) => {
      socket.write(encode(connectPacket('pump-1'), { cmd: 'disconnect' }));
    });
    expect(access.logins).toHaveLength(1);
  });
});

describe('A slow handshake', () => {
  it('is cut and told of, also where the client is gone without a word', async () => {
    const certificates = new CertificateFiles({ ...files.served, ca: null }, 'MQTT');
    const told: string[] = [];
    const events: ListenerEvents = {
      onOpened: () => {},
      onShaken: () => {},
      onConnection: () => {},
      onRefused: (why) => told.push(why),
      onError: () => {},
    };
    const listener = new Listener((transportEvents) => tlsTransport(certificates, transportEvents), events, 300);
    const to = Number(new URL(await listener.listen('127.0.0.1', 0)).port);
    const silent = connectTcp(to, '127.0.0.1');
    const halfway = connectTcp(to, '127.0.0.1');
    halfway.write(Buffer.from([0x16, 3, 1, 0x02]));
    const gone = connectTcp(to, '127.0.0.1');
    await once(gone, 'connect');
    gone.destroy();
    await Promise.all([closed(silent), closed(halfway)]);
    await eventually('three are told of', () => told.filter((why) => why === 'handshake').length === 3);
    listener.stop();
    certificates.stop();
    await listener.emptied();
  });

  it('counts among the connections without CONNECT, of which the oldest is closed where there are too many', async () => {
    const sockets = Array.from({ length: 2_001 }, () => connectTcp(port, '127.0.0.1').on('error', () => {}));
    const oldest = closed(sockets[0]!);
    await oldest;
    expect(box.counter('refused.pending')).toBe(1);
    for (const socket of sockets) socket.destroy();
    await isServing();
  });

  it('is looked after by the kernel when it is over, and so is a WebSocket', async () => {
    const { served } = files;
    const tls = { mqttPort: 0, mqttCert: served.cert, mqttKey: served.key };
    const both = await startBox({ tls, webSocket: { port: 0, origins: [] } });
    for (const listener of both.link.urls.slice(1)) {
      const client = await connectMqtt(listener, trusting({ keepalive: 0 }));
      const timers = await eventually('nothing is on its way', () => keepaliveTimers(Number(new URL(listener).port)));
      expect(timers).toEqual([expect.closeTo(60, -1)]);
      await client.endAsync();
    }
    await both.close();
  });

  it('does not hold up the stop', async () => {
    const silent = connectTcp(port, '127.0.0.1');
    await once(silent, 'connect');
    const began = performance.now();
    await box.close();
    expect(performance.now() - began).toBeLessThan(5_000);
    silent.destroy();
    box = await startBox();
  });
});
