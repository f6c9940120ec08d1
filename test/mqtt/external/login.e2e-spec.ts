import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { StartupError } from '../../../src/common/startup.error.js';
import { connectMqtt } from '../../support/mqtt.js';
import { eventually } from '../../support/eventually.js';
import { describeWith, freePort, type Mosquitto, startMosquitto } from '../../support/services.js';
import { type Authority, type Certificate, makeAuthority } from '../support/certificates.js';
import { captureLog, type LinkOptions, startLink } from '../support/external.js';

describeWith(['mosquitto', 'openssl'], 'the login at an external broker', () => {
  let directory: string;
  let authority: Authority;
  let server: Certificate;
  let ours: Certificate;
  let log: ReturnType<typeof captureLog>;
  let ends: (() => Promise<void>)[];

  const broker = async (options: Parameters<typeof startMosquitto>[0]): Promise<Mosquitto> => {
    const mosquitto = await startMosquitto(options);
    ends.push(() => mosquitto.stop());
    return mosquitto;
  };
  const start = async (url: string, options: LinkOptions) => {
    const box = await startLink(url, options);
    ends.unshift(box.close);
    return box;
  };
  const reasons = (): unknown[] => log.map(({ reason }) => reason).filter(Boolean);

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'signalbox-login-'));
    authority = makeAuthority(directory, 'ours');
    server = authority.issue('server', 'IP:127.0.0.1');
    ours = authority.issue('signalbox');
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  beforeEach(() => {
    log = captureLog();
    ends = [];
  });
  afterEach(async () => {
    for (const end of ends) await end();
  });

  const login = { username: 'signalbox', password: 'sesame-9f3' };

  it('is with MQTT_USERNAME and MQTT_PASSWORD', async () => {
    const { url } = await broker({ login });
    const box = await start(url, login);
    expect(box.link.status).toBe('up');
    const device = await connectMqtt(url, login);
    await device.publishAsync('devices/d/up/telemetry', '1', { qos: 1 });
    await eventually('it is read', () => box.deliveries.length === 1);
    await device.endAsync(true);
  });

  it.each([
    ['a wrong password', { username: 'signalbox', password: 'sesame-000' }],
    ['no login', {}],
  ])('says with %s what to correct, without the secret, and recovers when the broker lets it in', async (_, wrong) => {
    const mosquitto = await startMosquitto({ login });
    const box = await start(mosquitto.url, wrong);
    expect(box.link.status).toBe('down');
    expect(reasons()).toEqual(['login']);
    expect(log[0]!['hint']).toContain('MQTT_PASSWORD');
    expect(JSON.stringify(log)).not.toContain('sesame');
    await mosquitto.stop();
    await broker({ port: mosquitto.port });
    await eventually('it is up', () => box.link.status === 'up', 20_000);
  });

  it('is with a client certificate over TLS', async () => {
    const { port } = await broker({ tls: { ca: authority.ca, ...server } });
    const files = { ca: authority.ca, ...ours };
    const tls = Object.fromEntries(Object.entries(files).map(([name, path]) => [name, readFileSync(path)]));
    const box = await start(`mqtts://127.0.0.1:${port}`, tls);
    expect(box.link.status).toBe('up');
    await box.link.publish({ topic: 'demo/x', payload: '1', qos: 1 });
  });

  it('says so where the certificate of the broker is not trusted', async () => {
    const { port } = await broker({ tls: { ca: authority.ca, ...server } });
    const box = await start(`mqtts://127.0.0.1:${port}`, {});
    expect(box.link.status).toBe('down');
    expect(reasons()).toEqual(['certificate']);
    expect(log[0]!['hint']).toContain('MQTT_CA');
  });

  it('says so where the certificate of the broker is for another host', async () => {
    const other = authority.issue('elsewhere', 'DNS:elsewhere.example');
    const { port } = await broker({ tls: { ca: authority.ca, ...other } });
    const box = await start(`mqtts://127.0.0.1:${port}`, { ca: readFileSync(authority.ca) });
    expect(box.link.status).toBe('down');
    expect(reasons()).toEqual(['certificate']);
  });

  it('says so where the broker asks for a client certificate that we have not', async () => {
    const { port } = await broker({ tls: { ca: authority.ca, ...server } });
    const box = await start(`mqtts://127.0.0.1:${port}`, { ca: readFileSync(authority.ca) });
    expect(box.link.status).toBe('down');
    expect(reasons()).toEqual(['tls']);
    expect(log[0]!['hint']).toContain('MQTT_CERT');
  });

  it('says so where the port does not speak TLS', async () => {
    const { port } = await broker({});
    const box = await start(`mqtts://127.0.0.1:${port}`, { ca: readFileSync(authority.ca) });
    expect(box.link.status).toBe('down');
    expect(log[0]!['hint']).toMatch(/TLS|by itself/);
  });

  it('refuses to start with a key that is not of its certificate: nothing but another setting helps', async () => {
    const port = await freePort();
    const wrong = { cert: readFileSync(ours.cert), key: readFileSync(server.key) };
    const error = await startLink(`mqtts://127.0.0.1:${port}`, wrong).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(StartupError);
    expect(error).toMatchObject({ exitCode: 78, hint: expect.stringContaining('MQTT_KEY') });
  });

  it('works over WebSockets, with a path', async () => {
    const port = await freePort();
    await broker({ config: `listener ${port} 127.0.0.1\nprotocol websockets` });
    const box = await start(`ws://127.0.0.1:${port}/mqtt?token=sesame`, {});
    await eventually('it is up', () => box.link.status === 'up');
    expect(box.link.urls).toEqual([`ws://127.0.0.1:${port}/mqtt`]);
  });
});
