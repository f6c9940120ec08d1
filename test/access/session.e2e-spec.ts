import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hashOf, newKeyId, newSecret, readApiKey } from '../../src/common/secrets.js';
import { Retention } from '../../src/storage/retention.js';
import { newKeyText, type RequiredApp, requestsWith, startRequired } from '../support/access.js';
import { createTestApp } from '../support/app.js';
import type { Answer, ProblemBody } from '../support/http.js';

let box: RequiredApp;
beforeAll(async () => {
  box = await startRequired();
});
afterAll(() => box.close());

const HOUR = 3_600_000;
const logIn = (key: string, headers: Record<string, string> = {}) =>
  box.anonymous.post<{ keyId: string; expiresAt: string }>('/v1/session', { key }, headers);
const cookieOf = ({ headers }: Answer) => headers.get('set-cookie')!.split(';')[0]!;
const withCookie = (cookie: string) => requestsWith(box.httpUrl, { cookie });
const ours = () => ({ origin: box.httpUrl });
const makeKey = async (asked: object = {}) =>
  (await box.admin.post<{ id: string; key: string }>('/v1/api-keys', { name: 'k', scopes: ['devices:read'], ...asked }))
    .body;
const rows = () => box.database.point.selectFrom('sessions').selectAll().execute();

describe('A session', () => {
  it('is made with a key: 12 hours, in a cookie that scripts and other sites do not get', async () => {
    const answer = await logIn(box.adminKey);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('set-cookie')).toMatch(
      /^signalbox=[A-Za-z0-9]{43}; Path=\/; Max-Age=(43200|43199); HttpOnly; SameSite=Strict$/,
    );
    expect(answer.body).toEqual({
      keyId: readApiKey(box.adminKey)!.id,
      name: 'admin',
      scopes: ['admin'],
      tags: null,
      expiresAt: expect.any(String),
    });
    const left = Date.parse(answer.body.expiresAt) - Date.now();
    expect(left).toBeGreaterThan(12 * HOUR - 60_000);
    expect(left).toBeLessThanOrEqual(12 * HOUR);
    const me = await withCookie(cookieOf(answer)).get('/v1/session');
    expect([me.status, me.body]).toEqual([200, answer.body]);
  });

  it('may what its key may, and is kept as a hash', async () => {
    const { key } = await makeKey();
    const cookie = cookieOf(await logIn(key));
    expect((await withCookie(cookie).get('/v1/rejects')).status).toBe(403);
    const secret = cookie.split('=')[1]!;
    const kept = await rows();
    expect(kept.map(({ hash }) => hash)).toContain(hashOf(secret));
    expect(JSON.stringify(kept)).not.toContain(secret);
  });

  it('ends with DELETE: the cookie is cleared and worth nothing', async () => {
    const cookie = cookieOf(await logIn(box.adminKey));
    const ended = await withCookie(cookie).delete('/v1/session', ours());
    expect([ended.status, ended.headers.get('set-cookie')]).toEqual([
      204,
      'signalbox=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict',
    ]);
    expect((await withCookie(cookie).get('/v1/session')).status).toBe(401);
    expect((await withCookie(cookie).delete('/v1/session', ours())).status).toBe(401);
  });

  it('ends with its key, and not later than it', async () => {
    const expiresAt = new Date(Date.now() + HOUR).toISOString();
    const { id, key } = await makeKey({ expiresAt });
    const answer = await logIn(key);
    expect(answer.body.expiresAt).toBe(expiresAt);
    expect(answer.headers.get('set-cookie')).toMatch(/Max-Age=(3600|359\d);/);
    await box.admin.delete(`/v1/api-keys/${id}`);
    expect((await withCookie(cookieOf(answer)).get('/v1/session')).status).toBe(401);
    expect((await rows()).filter((row) => row.key_id === id)).toEqual([]);
  });

  it('is out when its time is over, and removed by retention', async () => {
    const cookie = cookieOf(await logIn(box.adminKey));
    const hash = hashOf(cookie.split('=')[1]!);
    const { sql } = box.database;
    await box.database.write([
      sql
        .updateTable('sessions')
        .set({ expires_at: Date.now() - 1 })
        .where('hash', '=', hash)
        .compile(),
    ]);
    expect((await withCookie(cookie).get('/v1/session')).status).toBe(401);
    const others = (await rows()).length - 1;
    expect((await box.app.get(Retention).run()).sessions).toBe(1);
    expect(await rows()).toHaveLength(others);
  });

  it('gives way to newer ones where one key has a hundred', async () => {
    const { id, key } = await makeKey();
    const first = cookieOf(await logIn(key));
    const old = Array.from({ length: 98 }, (_, i) => ({
      hash: hashOf(newSecret()),
      key_id: id,
      created_at: Date.now() + i,
      expires_at: Date.now() + HOUR,
    }));
    await box.database.write([box.database.sql.insertInto('sessions').values(old).compile()]);
    expect((await withCookie(cookieOf(await logIn(key))).get('/v1/session')).status).toBe(200);
    expect((await withCookie(first).get('/v1/session')).status).toBe(200);
    expect((await withCookie(cookieOf(await logIn(key))).get('/v1/session')).status).toBe(200);
    expect((await withCookie(first).get('/v1/session')).status).toBe(401);
    expect((await rows()).filter((row) => row.key_id === id)).toHaveLength(100);
  });

  it.each([
    ['an unknown key', () => newKeyText()],
    ['another secret', () => `${box.adminKey.slice(0, 21)}${newSecret()}`],
    ['no key at all', () => 'let me in'],
    ['an empty text', () => ''],
    ['10 KB', () => 'x'.repeat(10_240)],
  ])('is not made with %s, and the answer is that of every bad login', async (_, key) => {
    const answer = await logIn(key());
    const known = await box.as(newKeyText()).get('/v1/rejects');
    const [body, expected] = [answer, known].map(({ body: problem }) => ({
      ...(problem as ProblemBody),
      requestId: '',
      instance: '',
    }));
    expect([answer.status, answer.headers.get('set-cookie'), body]).toEqual([401, null, expected]);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
  });

  it.each([[{}], [{ key: 5 }], [{ key: null }], [{ key: 'x', remember: true }]])(
    'is not made with %j, which is 400',
    async (body) => {
      expect((await box.anonymous.post('/v1/session', body)).status).toBe(400);
    },
  );

  it('is nothing that open mode has', async () => {
    const open = await createTestApp();
    const anyone = requestsWith(open.httpUrl, {});
    const refused = await anyone.post<ProblemBody>('/v1/session', { key: newKeyText() });
    const me = await anyone.get('/v1/session');
    const ended = await anyone.delete('/v1/session');
    await open.close();
    expect([refused.status, refused.body.code]).toEqual([409, 'OPEN_MODE']);
    expect([me.status, me.body]).toEqual([
      200,
      { keyId: null, name: null, scopes: ['admin'], tags: null, expiresAt: null },
    ]);
    expect(ended.status).toBe(204);
  });
});

describe('A request that writes with a session', () => {
  it.each([
    ['the same origin', () => ours(), 201],
    ['the same origin, twice said', () => ({ ...ours(), 'sec-fetch-site': 'same-origin' }), 201],
    ['Sec-Fetch-Site: same-origin', () => ({ 'sec-fetch-site': 'same-origin' }), 201],
    ['nothing of where it is from', () => ({}), 403],
    ['another port', () => ({ origin: 'http://127.0.0.1:1' }), 403],
    ['another scheme', () => ({ origin: box.httpUrl.replace('http', 'https') }), 403],
    ['Origin: null', () => ({ origin: 'null' }), 403],
    ['another site', () => ({ 'sec-fetch-site': 'cross-site' }), 403],
    ['a site beside it', () => ({ ...ours(), 'sec-fetch-site': 'same-site' }), 403],
    ['nothing but a person (none)', () => ({ 'sec-fetch-site': 'none' }), 403],
    [
      'another origin, although Sec-Fetch-Site says the same',
      () => ({ origin: 'http://evil.example', 'sec-fetch-site': 'same-origin' }),
      403,
    ],
  ])('from %s is %i', async (_, headers, status) => {
    const cookie = cookieOf(await logIn(box.adminKey));
    const answer = await withCookie(cookie).post('/v1/api-keys', { name: 'x', scopes: ['devices:read'] }, headers());
    expect(answer.status).toBe(status);
    expect((await withCookie(cookie).get('/v1/session', headers())).status).toBe(200);
  });

  it('needs none of that with a key in the header, which wins over the cookie', async () => {
    const cookie = cookieOf(await logIn(box.adminKey));
    const { id, key } = await makeKey();
    const both = requestsWith(box.httpUrl, { cookie, authorization: `Bearer ${key}` });
    expect((await both.get<{ keyId: string }>('/v1/session')).body.keyId).toBe(id);
    expect((await both.post('/v1/api-keys', { name: 'x', scopes: ['devices:read'] })).status).toBe(403);
    const wrong = requestsWith(box.httpUrl, { cookie, authorization: `Bearer ${newKeyText()}` });
    expect((await wrong.get('/v1/session')).status).toBe(401);
    const other = requestsWith(box.httpUrl, { cookie, authorization: 'Basic eDp5' });
    expect((await other.get('/v1/session')).status).toBe(401);
    expect((await both.delete('/v1/session')).status).toBe(204);
    expect((await withCookie(cookie).get('/v1/session')).status).toBe(200);
  });

  it('cannot log in from another site', async () => {
    expect((await logIn(box.adminKey, { origin: 'http://evil.example' })).status).toBe(403);
    expect((await logIn(box.adminKey, { 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    expect((await logIn(box.adminKey, ours())).status).toBe(200);
  });
});

describe('A cookie', () => {
  it.each([
    ['unknown', () => `signalbox=${newSecret()}`],
    ['given twice', (good: string) => `${good}; ${good}`],
    ['too long', (good: string) => `${good}x`],
    ['under another name', (good: string) => good.replace('signalbox', 'Signalbox')],
    ['under the name for HTTPS', (good: string) => `__Host-${good}`],
    ['with the hash instead of the secret', (good: string) => `signalbox=${hashOf(good.split('=')[1]!)}`],
    ['with a NUL', () => 'signalbox=%00'],
    ['of 10 KB', () => `signalbox=${'x'.repeat(10_240)}`],
    ['with the id of a key', () => `signalbox=${newKeyId()}`],
  ])('%s is no login', async (_, cookie) => {
    const good = cookieOf(await logIn(box.adminKey));
    expect((await withCookie(good).get('/v1/session')).status).toBe(200);
    expect((await withCookie(`a=b; ${good}; c`).get('/v1/session')).status).toBe(200);
    expect((await withCookie(cookie(good)).get('/v1/session')).status).toBe(401);
  });

  it('is for HTTPS only, and for this host alone, wherever the request came by another name', async () => {
    const proxied = await startRequired({ TRUST_PROXY: '127.0.0.0/8' });
    const visitor = requestsWith(proxied.httpUrl, {
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'box.example',
      'x-forwarded-for': '203.0.113.7',
    });
    const answer = await visitor.post('/v1/session', { key: proxied.adminKey });
    const cookie = cookieOf(answer);
    expect(answer.headers.get('set-cookie')).toMatch(
      /^__Host-signalbox=[A-Za-z0-9]{43}; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Strict; Secure$/,
    );
    expect(answer.headers.get('strict-transport-security')).toMatch(/max-age=/);
    const page = requestsWith(proxied.httpUrl, {
      cookie,
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'box.example',
    });
    const write = { name: 'x', scopes: ['devices:read'] };
    expect((await page.post('/v1/api-keys', write, { origin: 'https://box.example' })).status).toBe(201);
    expect((await page.post('/v1/api-keys', write, { origin: proxied.httpUrl })).status).toBe(403);
    expect((await requestsWith(proxied.httpUrl, { cookie }).get('/v1/session')).status).toBe(401);
    await proxied.close();
  });
});
