import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newSecret, readApiKey } from '../../src/common/secrets.js';
import { basic, bearer, newKeyText, requestsWith } from '../support/access.js';
import { eventually } from '../support/eventually.js';
import type { Answer } from '../support/http.js';
import { connectMqtt } from '../support/mqtt.js';
import { type Service, startService, temporaryDirectory } from '../support/process.js';
import { rawHttp } from '../support/raw-http.js';

const directory = temporaryDirectory();
const adminKey = newKeyText();
let box: Service;
beforeAll(async () => {
  box = await startService(directory.path, { ACCESS: 'required', ADMIN_KEY: adminKey, LOG_LEVEL: 'trace' });
});
afterAll(async () => {
  await box.stop();
  directory.remove();
});

describe('The log, at the level that says most', () => {
  it('holds no secret, wherever it was sent', async () => {
    const anyone = requestsWith(box.httpUrl, {});
    const admin = requestsWith(box.httpUrl, bearer(adminKey));
    const made = await admin.post<{ id: string; key: string }>('/v1/api-keys', {
      name: 'k',
      scopes: ['commands:read'],
    });
    const session = await anyone.post('/v1/session', { key: made.body.key });
    const cookie = session.headers.get('set-cookie')!.split(';')[0]!;
    const page = requestsWith(box.httpUrl, { cookie });
    const [wrong, credential, password] = [newKeyText(), newSecret(), newSecret()];
    const secrets = [adminKey, made.body.key, wrong].map((key) => readApiKey(key)!.secret);
    secrets.push(cookie.split('=')[1]!, credential, password);

    expect((await page.get('/v1/session')).status).toBe(200);
    for (const key of [adminKey, made.body.key, wrong, credential]) {
      const carrying = requestsWith(box.httpUrl, {
        'x-api-key': key,
        referer: `http://localhost/?key=${key}`,
        'user-agent': key,
      });
      const requests: readonly (() => Promise<Answer>)[] = [
        () => carrying.get(`/v1/commands?key=${key}`),
        () => carrying.get(`/${key}`),
        () => carrying.get(`/v1/commands/${key}`, bearer(adminKey)),
        () => carrying.get(`/v1/${'x'.repeat(200)}/${key}`),
        () => carrying.get(`/%zz${key}`),
        () => carrying.delete(`/v1/api-keys/${key}`, bearer(adminKey)),
        () => carrying.get(`/v1/commands?limit=${key}&cursor=${key}`, bearer(adminKey)),
        () => carrying.post('/v1/session', { key: `${key}x` }),
        () => carrying.post('/v1/session', { [key]: key }),
        () => carrying.post('/v1/session', `{"key": "${key}"`),
        () => carrying.post('/v1/api-keys', { name: key, scopes: [key], expiresAt: key }, bearer(adminKey)),
        () => carrying.post('/publish', { topic: `$SYS/${key}`, message: key }, bearer(adminKey)),
        () => carrying.post('/control', { command: key, deviceId: key }, bearer(adminKey)),
        () => carrying.get('/v1/audit', { authorization: key }),
        () => carrying.get('/v1/device/commands/next', basic('device-1', key)),
        () => carrying.get('/v1/device/commands/next', basic(key, key)),
        () => carrying.post('/v1/device/telemetry', { temperature: key }, basic('device-1', key)),
      ];
      // Refusals of one kind are logged once a second: each is made until it is the one.
      for (const request of requests) {
        const ids = [await idOf(request)];
        if (key !== wrong) continue;
        await eventually('one of these refusals is logged', async () => {
          if (ids.some((id) => box.output().includes(id))) return true;
          ids.push(await idOf(request));
          return false;
        });
      }
      await carrying.post('/internal/mqtt/auth', { username: key, password: key, clientid: key });
      await rawHttp(box.httpUrl, `GET /?${key} HTTP/1.1\r\nHost: a\r\nHost: ${key}\r\nConnection: close\r\n\r\n`);
      await rawHttp(box.httpUrl, `${key} ${key}\r\n\r\n`);
      await rawHttp(
        box.httpUrl,
        `GET http://${key}@localhost/${key} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
      );
      for (const options of [
        { clientId: 'device-1', username: 'device-1', password: key },
        { clientId: 'service-1', username: made.body.id, password: key },
        { clientId: 'x', username: key, password },
        { clientId: `a${key}`, username: `a${key}`, password },
      ]) {
        const client = await connectMqtt(box.mqttUrl, options).catch(() => null);
        await client?.endAsync();
      }
    }
    await page.delete('/v1/session', { origin: box.httpUrl });
    await admin.delete(`/v1/api-keys/${made.body.id}`);
    await box.stop();

    const output = box.output();
    for (const secret of secrets) {
      for (const form of [
        secret.slice(0, 20),
        secret.slice(-20),
        Buffer.from(secret).toString('base64').slice(4, -4),
        encodeURIComponent(secret),
      ]) {
        expect(linesWith(output, form)).toEqual([]);
      }
    }
    expect(linesWith(output, '***').length).toBeGreaterThan(4);
  }, 90_000);

  it('stays one line for each record, whatever is in a path, a header or an id', async () => {
    box = await startService(directory.path, { ACCESS: 'required', ADMIN_KEY: adminKey, LOG_LEVEL: 'trace' });
    const before = box.output().length;
    const forged = '%0d%0a%7b%22level%22:60,%22msg%22:%22forged%22%7d%1b%5b2J%c2%9b1m';
    const admin = requestsWith(box.httpUrl, bearer(adminKey));
    await admin.get(`/${forged}`);
    await admin.delete(`/v1/devices/${forged}`);
    await admin.get(`/v1/commands/${forged}`);
    await admin.post('/control', { command: 'X', deviceId: decodeURIComponent(forged) });
    await rawHttp(box.httpUrl, 'GET / HTTP/1.1\r\nHost: localhost\r\nX: a\u001b[2Jb\r\nConnection: close\r\n\r\n');
    await rawHttp(box.httpUrl, 'GET /a\u001b[2J HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    await box.stop();
    const output = box.output().slice(before);
    // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
    expect(output.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    const lines = output.split('\n').filter((line) => line.startsWith('{'));
    expect(lines.length).toBeGreaterThan(3);
    for (const line of lines) expect(JSON.parse(line)).not.toMatchObject({ msg: 'forged' });
  });
});

async function idOf(request: () => Promise<Answer>): Promise<string> {
  return (await request()).headers.get('x-request-id')!;
}

function linesWith(output: string, text: string): string[] {
  return output.split('\n').filter((line) => line.includes(text));
}
