import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHmac, randomInt } from 'node:crypto';
import { newSecret, readApiKey } from '../../src/common/secrets.js';
import { newKeyText, type RequiredApp, startRequired } from '../support/access.js';
import type { ProblemBody } from '../support/http.js';
import { separation } from './support/separation.js';

let box: RequiredApp;
let live: string;
let expired: string;
let revoked: string;
beforeAll(async () => {
  // So that each login comes from an address of its own, and none is held back because others failed.
  box = await startRequired({ TRUST_PROXY: '127.0.0.1', HTTP_KEY_RATE: '0' });
  const make = async (asked: object = {}) =>
    (
      await box.admin.post<{ id: string; key: string }>('/v1/api-keys', {
        name: 'k',
        scopes: ['commands:read'],
        ...asked,
      })
    ).body;
  live = (await make()).key;
  const gone = await make();
  revoked = gone.key;
  await box.admin.delete(`/v1/api-keys/${gone.id}`);
  const short = await make({ expiresAt: Date.now() + 60_000 });
  expired = short.key;
  const { sql } = box.database;
  await box.database.write([sql.updateTable('api_keys').set({ expires_at: 1 }).where('id', '=', short.id).compile()], {
    news: { topic: 'keys', detail: short.id },
  });
});
afterAll(() => box.close());

const elsewhere = () => ({
  'x-forwarded-for': Array.from({ length: 4 }, (_, i) => (i === 0 ? 100 : randomInt(1, 255))).join('.'),
});
const other = (character: string) => (character === 'A' ? 'B' : 'A');
const wrongFirst = (key: string) => `${key.slice(0, 21)}${other(key[21]!)}${key.slice(22)}`;
const wrongLast = (key: string) => `${key.slice(0, -1)}${other(key.at(-1)!)}`;
const segment = (content: object) => Buffer.from(JSON.stringify(content)).toString('base64url');
const jwt = (header: object, signature: string) =>
  `${segment(header)}.${segment({ sub: 'admin', scope: 'admin', iss: 'https://evil.example', aud: 'x' })}.${signature}`;

describe('A login that is wrong', () => {
  const WRONG: readonly (readonly [string, () => string | null])[] = [
    ['nothing', () => null],
    ['an unknown key', () => `Bearer ${newKeyText()}`],
    ['a wrong first character', () => `Bearer ${wrongFirst(live)}`],
    ['a wrong last character', () => `Bearer ${wrongLast(live)}`],
    ['a secret alone', () => `Bearer ${readApiKey(live)!.secret}`],
    ['an id alone', () => `Bearer sbx_${readApiKey(live)!.id}_`],
    ['a key cut short', () => `Bearer ${live.slice(0, -1)}`],
    ['a key with more behind it', () => `Bearer ${live}x`],
    ['two keys', () => `Bearer ${live} ${live}`],
    ['two keys with a comma', () => `Bearer ${live},Bearer ${live}`],
    ['an expired key', () => `Bearer ${expired}`],
    ['a revoked key', () => `Bearer ${revoked}`],
    ['no scheme', () => live],
    ['a key as Basic', () => `Basic ${Buffer.from(`${readApiKey(live)!.id}:${live}`).toString('base64')}`],
    ['an empty token', () => 'Bearer '],
    ['a JWT that is not signed', () => `Bearer ${jwt({ alg: 'none', typ: 'JWT' }, '')}`],
    ['a JWT', () => `Bearer ${jwt({ alg: 'HS256' }, createHmac('sha256', live).update('x').digest('base64url'))}`],
    ['a token of 10 KB', () => `Bearer ${'x'.repeat(10_240)}`],
    ['__proto__', () => 'Bearer __proto__'],
    ['the hash of nothing', () => `Bearer sbx_${readApiKey(live)!.id}_${'-'.repeat(43)}`],
  ];

  it.each(WRONG)('(%s) is 401 with the one body that says nothing of why', async (_, login) => {
    const authorization = login();
    const { status, headers, body } = await box.anonymous.get<ProblemBody>('/v1/commands', {
      ...elsewhere(),
      ...(authorization !== null && { authorization }),
    });
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toBe('Bearer realm="signalbox"');
    expect({ ...body, requestId: '' }).toEqual({
      type: 'urn:signalbox:error:UNAUTHORIZED',
      title: 'A valid login is needed',
      status: 401,
      detail: 'Send a valid API key: Authorization: Bearer sbx_...',
      instance: '/v1/commands',
      code: 'UNAUTHORIZED',
      requestId: '',
    });
  });

  it('is none with another case of the scheme, or more blanks', async () => {
    for (const authorization of [`bearer ${live}`, `BEARER ${live}`, `Bearer   ${live}`, `Bearer ${live} `]) {
      expect((await box.anonymous.get('/v1/commands', { authorization })).status).toBe(200);
    }
  });

  /**
   * Bound: of two answers to logins that are wrong for different reasons, the probability that the one takes longer than the
   * other is between 0.35 and 0.65 (0.5: they cannot be told apart; the common-language effect size of Mann and Whitney). For
   * 200 samples each that is five standard errors: noise alone fails one of the 15 pairs in some of a million runs. Samples are
   * taken in turn. One point read of the database more for some of them fails it.
   */
  it('takes as long whatever is wrong with it', async () => {
    const kinds: Readonly<Record<string, () => string>> = {
      'unknown id': () => newKeyText(),
      'wrong first': () => wrongFirst(live),
      'wrong last': () => wrongLast(live),
      'wrong secret': () => `${live.slice(0, 21)}${newSecret()}`,
      expired: () => expired,
      revoked: () => revoked,
    };
    const names = Object.keys(kinds);
    const times = new Map<string, number[]>(names.map((name) => [name, []]));
    const round = async (): Promise<void> => {
      for (const name of shuffled(names)) {
        const headers = { authorization: `Bearer ${kinds[name]!()}`, ...elsewhere() };
        const begun = performance.now();
        const { status } = await box.anonymous.get('/v1/commands', headers);
        times.get(name)!.push(performance.now() - begun);
        expect(status).toBe(401);
      }
    };
    const lane = async (): Promise<void> => {
      for (let i = 0; i < 25; i++) await round();
    };
    await round();
    for (const samples of times.values()) samples.length = 0;
    await Promise.all(Array.from({ length: 8 }, lane));
    for (const [i, one] of names.entries()) {
      for (const two of names.slice(i + 1)) {
        const probability = separation(times.get(one)!, times.get(two)!);
        expect({ one, two, probability, isWithin: Math.abs(probability - 0.5) < 0.15 }).toMatchObject({
          isWithin: true,
        });
      }
    }
  }, 120_000);
});

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => [Math.random(), item] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, item]) => item);
}

describe('A login', () => {
  it('is taken from no query, no body and no other header', async () => {
    const key = box.adminKey;
    for (const name of ['key', 'api_key', 'apikey', 'token', 'access_token', 'authorization']) {
      expect([name, (await box.anonymous.get(`/v1/commands?${name}=${key}`)).status]).toEqual([name, 401]);
    }
    for (const header of ['x-api-key', 'api-key', 'x-authorization', 'proxy-authorization', 'x-auth-token']) {
      const { status } = await box.anonymous.get('/v1/commands', { [header]: `Bearer ${key}` });
      expect([header, status]).toEqual([header, 401]);
    }
    expect((await box.anonymous.post('/v1/api-keys', { name: 'x', scopes: ['admin'], key })).status).toBe(401);
    expect((await box.anonymous.post('/v1/commands', {}, { 'x-http-method-override': 'GET' })).status).toBe(404);
  });
});
