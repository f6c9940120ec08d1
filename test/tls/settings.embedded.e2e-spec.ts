import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from '../../src/config/config.error.js';
import { loadConfig } from '../../src/config/load-config.js';
import { TlsConfig, WebSocketConfig } from '../../src/config/tls.config.js';

let directory: string;
let http: Record<string, string>;
let mqtt: Record<string, string>;
const path = (name: string): string => join(directory, name);

function make(name: string, ...options: readonly string[]): void {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-keyout', path(`${name}.key`)];
  const request = ['req', '-x509', ...key, '-out', path(`${name}.pem`), '-subj', `/CN=${name}`, '-days', '2'];
  execFileSync('openssl', [...request, ...(options.length > 0 ? options : ['-nodes'])], { stdio: 'pipe' });
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'signalbox-listeners-'));
  make('one');
  make('two');
  make('locked', '-passout', 'pass:secret');
  execFileSync('openssl', ['req', '-new', '-key', path('two.key'), '-subj', '/CN=old', '-out', path('old.csr')]);
  const old = [
    'x509',
    '-req',
    '-in',
    path('old.csr'),
    '-signkey',
    path('two.key'),
    '-days',
    '-1',
    '-out',
    path('old.pem'),
  ];
  execFileSync('openssl', old, { stdio: 'pipe' });
  execFileSync('openssl', ['x509', '-in', path('one.pem'), '-outform', 'DER', '-out', path('one.der')]);
  writeFileSync(path('empty'), '');
  http = { HTTP_TLS_CERT: path('one.pem'), HTTP_TLS_KEY: path('one.key') };
  mqtt = { MQTT_TLS_PORT: '8883', MQTT_TLS_CERT: path('two.pem'), MQTT_TLS_KEY: path('two.key') };
});
afterAll(() => rmSync(directory, { recursive: true }));

function problems(environment: Record<string, string>): readonly string[] {
  try {
    loadConfig(environment, directory);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ variable, detail }) => `${variable} ${detail}`);
    throw error;
  }
  return [];
}

describe('The settings of TLS and WebSocket listeners', () => {
  it('are none by default', () => {
    const config = loadConfig({}, directory);
    expect([config.get(TlsConfig).http, config.get(TlsConfig).mqtt, config.get(TlsConfig).mqttPort]).toEqual([
      null,
      null,
      null,
    ]);
    expect(config.get(WebSocketConfig)).toEqual({ port: null, origins: [] });
  });

  it('are taken as they are, with paths that do not depend on the working directory', () => {
    const origins = 'https://App.example, http://localhost:8080 ,capacitor://localhost';
    const config = loadConfig(
      { ...http, ...mqtt, MQTT_TLS_CA: path('one.pem'), MQTT_WS_PORT: '0', MQTT_WS_ORIGINS: origins },
      directory,
    );
    expect(config.get(TlsConfig).http).toEqual({ cert: path('one.pem'), key: path('one.key'), ca: null });
    expect(config.get(TlsConfig).mqtt).toEqual({ cert: path('two.pem'), key: path('two.key'), ca: path('one.pem') });
    expect(config.get(TlsConfig).mqttPort).toBe(8883);
    const expected = ['https://app.example', 'http://localhost:8080', 'capacitor://localhost'];
    expect(config.get(WebSocketConfig)).toEqual({ port: 0, origins: expected });
    expect(config.warnings).toEqual([]);
  });

  it.each([
    ['HTTP_TLS_CERT', 'none.pem', 'can be read (ENOENT)'],
    ['HTTP_TLS_KEY', '.', 'can be read (EISDIR)'],
    ['HTTP_TLS_CERT', 'empty', 'with a certificate'],
    ['HTTP_TLS_CERT', 'one.der', 'with a certificate'],
    ['HTTP_TLS_CERT', 'one.key', 'with a certificate'],
    ['HTTP_TLS_KEY', 'one.pem', 'with a private key'],
    ['HTTP_TLS_KEY', 'locked.key', 'that is not encrypted'],
    ['MQTT_TLS_CERT', 'empty', 'with a certificate'],
    ['MQTT_TLS_KEY', 'empty', 'with a private key'],
    ['MQTT_TLS_CA', 'empty', 'with a certificate'],
  ])('name %s where its file %s is none that can be used, and not the path', (variable, file, detail) => {
    const found = problems({ ...http, ...mqtt, [variable]: path(file) });
    expect(found).toEqual([expect.stringMatching(new RegExp(`^${variable} `))]);
    expect(found[0]).toContain(detail);
    expect(found[0]).not.toContain(directory);
  });

  it('name a key that does not belong to its certificate, and half of a pair', () => {
    expect(problems({ ...http, HTTP_TLS_KEY: path('two.key') })).toEqual([
      'HTTP_TLS_KEY does not belong to the first certificate in the file of HTTP_TLS_CERT',
    ]);
    expect(problems({ ...mqtt, MQTT_TLS_KEY: path('one.key') })[0]).toMatch(/^MQTT_TLS_KEY does not belong/);
    expect(problems({ HTTP_TLS_CERT: path('one.pem') })[0]).toMatch(/^HTTP_TLS_KEY is missing/);
    expect(problems({ HTTP_TLS_KEY: path('one.key') })[0]).toMatch(/^HTTP_TLS_CERT is missing/);
    expect(problems({ ...mqtt, MQTT_TLS_KEY: '' })[0]).toMatch(/^MQTT_TLS_KEY is missing/);
    expect(problems({ ...mqtt, MQTT_TLS_CERT: '' })[0]).toMatch(/^MQTT_TLS_CERT is missing/);
  });

  it('need each other', () => {
    expect(problems({ MQTT_TLS_PORT: '8883' })).toEqual(['MQTT_TLS_PORT needs MQTT_TLS_CERT and MQTT_TLS_KEY']);
    expect(problems({ ...mqtt, MQTT_TLS_PORT: '' })).toEqual([expect.stringMatching(/^MQTT_TLS_CERT has no listener/)]);
    expect(problems({ ...mqtt, MQTT_TLS_PORT: '', MQTT_WS_PORT: '9001' })).toEqual([]);
    expect(problems({ MQTT_TLS_CA: path('one.pem') })).toEqual([expect.stringMatching(/^MQTT_TLS_CA needs/)]);
    expect(problems({ MQTT_WS_ORIGINS: 'https://app.example' })).toEqual(['MQTT_WS_ORIGINS needs MQTT_WS_PORT']);
  });

  it('are refused beside MQTT_URL, each by its name', () => {
    const all = { ...mqtt, MQTT_TLS_CA: path('one.pem'), MQTT_WS_PORT: '9001', MQTT_WS_ORIGINS: 'https://app.example' };
    const found = problems({ ...all, MQTT_URL: 'mqtt://broker' });
    expect(found.map((text) => text.split(' ')[0]).toSorted()).toEqual(Object.keys(all).toSorted());
    expect(problems({ ...http, MQTT_URL: 'mqtt://broker' })).toEqual([]);
  });

  it.each([
    [{ HTTP_PORT: '8883' }, 'MQTT_TLS_PORT is the same as HTTP_PORT'],
    [{ MQTT_PORT: '8883' }, 'MQTT_TLS_PORT is the same as MQTT_PORT'],
    [{ MQTT_WS_PORT: '8883' }, 'MQTT_WS_PORT is the same as MQTT_TLS_PORT'],
    [{ MQTT_WS_PORT: '1883' }, 'MQTT_WS_PORT is the same as MQTT_PORT'],
  ])('need a port each: %j', (ports, problem) => {
    expect(problems({ ...mqtt, ...ports })).toEqual([expect.stringContaining(problem)]);
    const free = { HTTP_PORT: '0', MQTT_PORT: '0', MQTT_TLS_PORT: '0', MQTT_WS_PORT: '0' };
    expect(problems({ ...mqtt, ...free })).toEqual([]);
  });

  it.each([
    '*',
    'null',
    'app.example',
    'https://app.example/',
    'https://app.example/x',
    'https://user@app.example',
    'x y',
  ])('take no origin that is none: %s', (origin) => {
    expect(problems({ MQTT_WS_PORT: '9001', MQTT_WS_ORIGINS: origin })).toEqual([
      expect.stringMatching(/^MQTT_WS_ORIGINS must be/),
    ]);
  });

  it.each(['-1', '65536', 'x', '0x10'])('take no port that is none: %s', (port) => {
    expect(problems({ ...mqtt, MQTT_TLS_PORT: port })).toHaveLength(1);
    expect(problems({ MQTT_WS_PORT: port })).toHaveLength(1);
  });

  it('warn of a certificate that has expired, and start', () => {
    const { warnings } = loadConfig({ ...mqtt, MQTT_TLS_CERT: path('old.pem') }, directory);
    expect(warnings).toEqual([expect.stringMatching(/^MQTT_TLS_CERT has expired \(20\d\d-[^)]*Z\)/)]);
  });

  it('warn of listeners on a network without TLS', () => {
    const network = { HTTP_HOST: '0.0.0.0', MQTT_HOST: '0.0.0.0', MQTT_WS_PORT: '9001' };
    const named = (environment: Record<string, string>): readonly (string | undefined)[] =>
      loadConfig(environment, directory).warnings.map((text) => text.split(' ')[0]);
    expect(named(network)).toEqual(['HTTP_HOST', 'MQTT_PORT', 'MQTT_WS_PORT']);
    expect(named({ ...network, ...http, ...mqtt })).toEqual(['MQTT_PORT']);
    expect(named({ HTTP_HOST: '0.0.0.0', MQTT_URL: 'mqtt://broker' })).toEqual(['HTTP_HOST']);
  });
});
