import { afterEach, describe, expect, it } from '@jest/globals';
import { type RequiredApp, requestsWith, startRequired } from '../support/access.js';
import { createTestApp } from '../support/app.js';
import type { Answer, ProblemBody } from '../support/http.js';

let box: RequiredApp | null = null;
afterEach(async () => {
  await box?.close();
  box = null;
});

const makeKey = async (admin: RequiredApp['admin']) =>
  (await admin.post<{ key: string }>('/v1/api-keys', { name: 'k', scopes: ['commands:read'] })).body.key;
const left = ({ headers }: Answer) => headers.get('ratelimit');

describe('HTTP_KEY_RATE', () => {
  it('is what a key may ask in a minute: each answer says what is left, then 429, and others go on', async () => {
    box = await startRequired({ HTTP_KEY_RATE: '5' });
    const [busy, calm] = [box.as(await makeKey(box.admin)), box.as(await makeKey(box.admin))];
    const first = await busy.get('/v1/commands');
    expect([first.status, first.headers.get('ratelimit-policy')]).toEqual([200, '"key";q=5;w=60']);
    expect(left(first)).toBe('"key";r=4;t=60');
    // Also what is refused for another reason.
    expect((await busy.get('/v1/audit')).status).toBe(403);
    expect((await busy.get('/v1/commands?limit=x')).status).toBe(400);
    expect((await busy.get('/v1/session')).status).toBe(200);
    expect(left(await busy.get('/v1/commands'))).toMatch(/^"key";r=0;t=\d+$/);
    for (const answer of [await busy.get('/v1/commands'), await busy.get('/v1/session')]) {
      expect([answer.status, (answer.body as ProblemBody).code]).toEqual([429, 'RATE_LIMITED']);
      expect(left(answer)).toMatch(/^"key";r=0;t=(60|5\d)$/);
      expect(answer.headers.get('retry-after')).toMatch(/^(60|5\d)$/);
    }
    expect((await calm.get('/v1/commands')).status).toBe(200);
    expect((await box.anonymous.get('/health')).status).toBe(200);
  });

  it('counts the sessions of a key with it', async () => {
    box = await startRequired({ HTTP_KEY_RATE: '4' });
    const key = await makeKey(box.admin);
    const opened = await box.anonymous.post('/v1/session', { key });
    expect(left(opened)).toMatch(/^"key";r=3;/);
    const page = requestsWith(box.httpUrl, { cookie: opened.headers.get('set-cookie')!.split(';')[0]! });
    expect(left(await page.get('/v1/commands'))).toMatch(/r=2;/);
    expect(left(await box.as(key).get('/v1/commands'))).toMatch(/r=1;/);
    expect((await box.anonymous.post('/v1/session', { key })).status).toBe(200);
    expect((await page.get('/v1/commands')).status).toBe(429);
    expect((await box.anonymous.post('/v1/session', { key })).status).toBe(429);
  });

  it('0 is no limit, and open mode has none', async () => {
    box = await startRequired({ HTTP_KEY_RATE: '0' });
    expect(left(await box.admin.get('/v1/commands'))).toBeNull();
    const open = await createTestApp({ HTTP_KEY_RATE: '1' });
    const anyone = requestsWith(open.httpUrl, {});
    const answers = [await anyone.get('/v1/commands'), await anyone.get('/v1/commands')];
    await open.close();
    expect(answers.map((answer) => [answer.status, left(answer)])).toEqual([
      [200, null],
      [200, null],
    ]);
  });

  it('says nothing of a login that is wrong', async () => {
    box = await startRequired();
    const answer = await box.as(`${box.adminKey.slice(0, -1)}-`).get('/v1/commands');
    expect([answer.status, left(answer)]).toEqual([401, null]);
    expect(left(await box.admin.get('/v1/commands'))).toMatch(/^"key";r=5999;t=60$/);
  });
});
