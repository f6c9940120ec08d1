import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { once } from 'node:events';
import { readFileSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type ConnectionOptions, createServer, type Server } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { CertificateFiles } from '../../src/common/certificate-files.js';
import { StartupError } from '../../src/common/startup.error.js';
import { startBox } from '../mqtt/support/box.js';
import { eventually } from '../support/eventually.js';
import { connectMqtt } from '../support/mqtt.js';
import { connectPacket, encode } from '../mqtt/support/raw-client.js';
import { makeAuthority } from '../mqtt/support/certificates.js';
import { type Files, makeFiles, RecordingAccess } from './support/tls-box.js';

let files: Files;
beforeEach(() => {
  files = makeFiles();
});
afterEach(() => files.remove());

/** The CN of the certificate that is served at a port now. */
async function servedAt(port: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', ca: readFileSync(files.authority.ca), rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { CN: name } = socket.getPeerCertificate().subject;
  socket.destroy();
  return String(name);
}

/** True where a CONNECT is answered, false where the connection is closed. */
async function isLetIn(port: number, options: ConnectionOptions): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1', ca: readFileSync(files.authority.ca), ...options });
  const answer = new Promise<boolean>((resolve) => {
    socket.on('data', () => resolve(true));
    socket.on('error', () => {});
    socket.on('close', () => resolve(false));
  });
  socket.once('secureConnect', () => socket.write(encode(connectPacket('pump-1'))));
  const isAnswered = await answer;
  socket.destroy();
  return isAnswered;
}

describe('Certificates that are replaced while the broker runs', () => {
  it('are served to new connections, and those that are open stay', async () => {
    const { served } = files;
    const box = await startBox({ tls: { mqttPort: 0, mqttCert: served.cert, mqttKey: served.key } });
    const url = box.link.urls[1]!;
    const port = Number(new URL(url).port);
    const early = await connectMqtt(url, { clientId: 'early', ca: readFileSync(files.authority.ca) });
    expect(await servedAt(port)).toBe('first');
    const second = files.issueServer('second');
    files.swap(second.cert, served.cert);
    files.swap(second.key, served.key);
    await eventually('the new one is served', async () => (await servedAt(port)) === 'second');
    await early.publishAsync('devices/early/up/telemetry', '{"a": 1}', { qos: 1 });
    await early.endAsync();
    await box.close();
  });

  it('take effect for the CA of clients too', async () => {
    const { served, authority, directory } = files;
    const trusted = join(directory, 'trusted.pem');
    files.swap(authority.ca, trusted);
    const tls = { mqttPort: 0, mqttCert: served.cert, mqttKey: served.key, mqttCa: trusted };
    const access = new RecordingAccess(true);
    const box = await startBox({ access, tls });
    const port = Number(new URL(box.link.urls[1]!).port);
    const later = makeAuthority(directory, 'later');
    const device = later.issue('pump-1');
    const shown = { cert: readFileSync(device.cert), key: readFileSync(device.key) };
    expect(await isLetIn(port, shown)).toBe(false);
    files.swap(later.ca, trusted);
    await eventually('the new CA counts', () => isLetIn(port, shown));
    expect(access.logins).toMatchObject([{ certificateName: 'pump-1' }]);
    await box.close();
  });
});

describe('The files of certificates', () => {
  let server: Server;
  let watched: CertificateFiles;
  let port: number;
  let warnings: unknown[];
  beforeEach(async () => {
    warnings = [];
    const ignore = (): void => {};
    Logger.overrideLogger({ log: ignore, error: ignore, warn: (warning: unknown) => warnings.push(warning) });
    watched = new CertificateFiles({ ...files.served, ca: null }, 'a test', 20);
    server = createServer(watched.options);
    watched.keepCurrent(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });
  afterEach(async () => {
    watched.stop();
    server.close();
    await once(server, 'close');
  });

  /** The files were looked at again, and could not be used. */
  async function saysWhy(): Promise<void> {
    const [warning] = await eventually('the log says so', () => warnings.length > 0 && warnings);
    expect(warning).toMatchObject({ msg: expect.stringContaining('the old ones stay'), listener: 'a test' });
    expect(JSON.stringify(warnings)).not.toContain(files.directory);
  }

  async function servesNext(name: string): Promise<void> {
    await eventually(`${name} is served`, async () => (await servedAt(port)) === name);
  }

  it.each([
    ['cert', 'key'],
    ['key', 'cert'],
  ] as const)(
    'are served as the old pair after the %s alone was swapped, and as the new one after the %s',
    async (one, other) => {
      const second = files.issueServer('second');
      files.swap(second[one], files.served[one]);
      await saysWhy();
      expect(await servedAt(port)).toBe('first');
      files.swap(second[other], files.served[other]);
      await servesNext('second');
    },
  );

  it.each([
    ['is empty', ''],
    ['is no PEM file', 'nonsense'],
    ['is cut off', '-----BEGIN CERTIFICATE-----\nMIIB'],
  ])('are not taken where one %s, until it is whole', async (_, text) => {
    writeFileSync(files.served.cert, text);
    await saysWhy();
    expect(await servedAt(port)).toBe('first');
    const second = files.issueServer('second');
    files.swap(second.key, files.served.key);
    files.swap(second.cert, files.served.cert);
    await servesNext('second');
  });

  it('may be away for a while', async () => {
    renameSync(files.served.key, `${files.served.key}.away`);
    await saysWhy();
    expect(await servedAt(port)).toBe('first');
    const second = files.issueServer('second');
    files.swap(second.cert, files.served.cert);
    files.swap(second.key, files.served.key);
    await servesNext('second');
  });

  it('may be links that are led elsewhere', async () => {
    const { directory, served } = files;
    const current = join(directory, 'current');
    const put = (name: string): void => {
      rmSync(`${current}.new`, { force: true });
      symlinkSync(name, `${current}.new`);
      renameSync(`${current}.new`, current);
    };
    for (const name of ['second', 'third']) {
      const { cert, key } = files.issueServer(name);
      files.swap(cert, join(directory, `${name}.crt`));
      files.swap(key, join(directory, `${name}.crt.key`));
    }
    put('second.crt');
    symlinkSync('current', `${served.cert}.link`);
    unlinkSync(served.cert);
    unlinkSync(served.key);
    symlinkSync(current, served.cert);
    files.swap(join(directory, 'second.crt.key'), served.key);
    await servesNext('second');
    put('third.crt');
    files.swap(join(directory, 'third.crt.key'), served.key);
    await servesNext('third');
  });
});

describe('CertificateFiles', () => {
  it('refuses to start with files that do not fit, with exit code 78 and no path', () => {
    const other = files.issueServer('other');
    const make = () => new CertificateFiles({ cert: files.served.cert, key: other.key, ca: null }, 'HTTPS');
    expect(make).toThrow(StartupError);
    expect(make).toThrow(/HTTPS cannot be used: the key does not belong to the certificate/);
    expect(make).not.toThrow(new RegExp(files.directory));
  });
});
