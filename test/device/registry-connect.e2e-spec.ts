import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createTestApp, type TestApp } from '../support/app.js';
import { type RequiredApp, requestsWith, startRequired } from '../support/access.js';
import { settled } from '../support/backends.js';
import { rawHttp } from '../support/raw-http.js';
import { describeWith, services } from '../support/services.js';
import type { CreatedDevice } from './registry-box.js';

const run = promisify(execFile);

interface Guide {
  readonly http: string;
  readonly mqtt: readonly string[];
  readonly needsLogin: boolean;
  readonly topic: string;
  readonly snippets: Readonly<Record<'mosquitto_pub' | 'curl' | 'python' | 'arduino', string>>;
}

describeWith(['mosquittoClients', 'paho'], 'The snippets of GET /v1/devices/{id}/connect', () => {
  const boxes: { open?: TestApp; required?: RequiredApp } = {};
  beforeAll(async () => {
    boxes.open = await createTestApp();
    boxes.required = await startRequired();
  });
  afterAll(async () => {
    await boxes.open?.close();
    await boxes.required?.close();
  });

  it.each(['open', 'required'] as const)(
    'get a reading in as they are, but for the credential (%s mode)',
    async (mode) => {
      const box = boxes[mode]!;
      const api = mode === 'open' ? requestsWith(box.httpUrl, {}) : boxes.required!.admin;
      const id = 'sensor:1.a';
      const { credential } = (await api.post<CreatedDevice>('/v1/devices', { id })).body;
      const { status, body: guide } = await api.get<Guide>(`/v1/devices/${id}/connect`);
      expect(status).toBe(200);
      expect(guide).toMatchObject({ deviceId: id, http: box.httpUrl, needsLogin: mode === 'required' });
      expect(guide.mqtt).toContain(box.mqttUrl);
      const { mosquitto_pub: mosquitto, curl, python, arduino } = guide.snippets;
      for (const snippet of [mosquitto, curl, python, arduino]) {
        expect(snippet.includes('<credential>')).toBe(mode === 'required');
        expect(snippet).not.toContain(credential.secret);
      }
      const whole = (snippet: string) => snippet.replaceAll('<credential>', credential.secret);
      const options = { timeout: 20_000, env: { ...process.env, PATH: `${process.env['PATH']}:/usr/bin` } };
      await run('bash', ['-c', `set -e; ${whole(mosquitto)}`], options);
      const { stdout } = await run('bash', ['-c', `set -e; ${whole(curl)} --silent --show-error --fail`], options);
      expect(JSON.parse(stdout)).toEqual({ stored: 1, duplicates: 0, rejected: [] });
      await run(services.paho!, ['-c', whole(python)], options);
      await settled(box.mqttUrl);
      const { body } = await api.get<{ topic: string; payload: unknown }[]>(`/sensors?deviceId=${id}`);
      expect(body.map(({ topic, payload }) => [topic, payload])).toEqual(
        [1, 2, 3].map(() => [guide.topic, { temperature: 21.5 }]),
      );
      expect(arduino).toContain(`mqtt.setServer("127.0.0.1", ${box.mqttPort});`);
    },
  );

  it('name the host that the caller used, where that is one', async () => {
    const { httpUrl } = boxes.required!;
    await boxes.required!.admin.post('/v1/devices', { id: 'hosted' });
    const ask = async (host: string) => {
      const head = `GET /v1/devices/hosted/connect HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n`;
      return rawHttp(httpUrl, `${head}Authorization: Bearer ${boxes.required!.adminKey}\r\n\r\n`);
    };
    expect(await ask('signalbox.example:3000')).toContain('curl http://signalbox.example:3000/v1/device/telemetry');
    for (const host of ["x';rm -rf ~;'", 'a b', '$(id)', '"', '<script>']) {
      expect(await ask(host)).toMatch(/^HTTP\/1\.1 400 /);
    }
  });
});

describe('Behind a proxy that is trusted', () => {
  it('snippets name the host and the scheme that the proxy was called by', async () => {
    const box = await startRequired({ TRUST_PROXY: '127.0.0.1' });
    await box.admin.post('/v1/devices', { id: 'proxied' });
    const headers = { 'x-forwarded-host': 'box.example', 'x-forwarded-proto': 'https' };
    const { body } = await box.admin.get<Guide>('/v1/devices/proxied/connect', headers);
    expect(body.http).toBe('https://box.example');
    expect(body.snippets.curl).toContain('curl https://box.example/v1/device/telemetry');
    await box.close();
  });
});

describe('A device that there is not', () => {
  it('has no snippets', async () => {
    const box = await createTestApp();
    expect((await requestsWith(box.httpUrl, {}).get('/v1/devices/nobody/connect')).status).toBe(404);
    await box.close();
  });
});
