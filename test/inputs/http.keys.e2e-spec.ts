import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHmac, createSign, generateKeyPairSync } from 'node:crypto';
import { apiKeyText, newKeyId, newSecret } from '../../src/common/secrets.js';
import { type Login, TagWorld } from '../access/tags-world.js';
import { askFrom, newAddress } from './support/ask-from.js';

let world: TagWorld;
/** What each kind of wrong login has in its header, made anew each time, so that no id is locked for its failures. */
const logins = new Map<string, () => Promise<string>>();
beforeAll(async () => {
  world = await TagWorld.start();
  const wrong = async (change: (secret: string) => string) => {
    const key = await world.key(['admin']);
    return apiKeyText(key.id, change(key.secret));
  };
  const other = (character: string) => (character === 'a' ? 'b' : 'a');
  const ended = async (key: Login) => key.authorization.slice('Bearer '.length);
  logins.set('a wrong first character', () => wrong((secret) => other(secret[0]!) + secret.slice(1)));
  logins.set('a wrong last character', () => wrong((secret) => secret.slice(0, -1) + other(secret.at(-1)!)));
  logins.set('an unknown id', async () => apiKeyText(newKeyId(), newSecret()));
  logins.set('expired', async () => ended(await world.key(['admin'], { expiresAt: Date.now() - 1 })));
  logins.set('revoked', async () => {
    const key = await world.key(['admin']);
    await world.revoke(key);
    return ended(key);
  });
});
afterAll(async () => {
  await world.stop();
});

const ask = (authorization: string) =>
  askFrom(newAddress(), `${world.signalbox.httpUrl}/v1/capabilities`, { authorization });

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const part = (content: object) => Buffer.from(JSON.stringify(content)).toString('base64url');
const CLAIMS = { iss: 'https://login.example', aud: 'signalbox', sub: 'admin', scope: 'admin', exp: 4_102_444_800 };

function jwt(header: object, claims: object, sign: (text: string) => string): string {
  const text = `${part({ typ: 'JWT', ...header })}.${part(claims)}`;
  return `${text}.${sign(text)}`;
}

const rs256 = (text: string) => createSign('RSA-SHA256').update(text).sign(privateKey, 'base64url');
const PEM = publicKey.export({ type: 'spki', format: 'pem' }) as string;
const TOKENS: readonly (readonly [string, string])[] = [
  ['JWT with alg none', jwt({ alg: 'none' }, CLAIMS, () => '')],
  ['JWT with alg None', jwt({ alg: 'None' }, CLAIMS, () => '')],
  [
    'JWT signed with the public key',
    jwt({ alg: 'HS256' }, CLAIMS, (text) => createHmac('sha256', PEM).update(text).digest('base64url')),
  ],
  ['JWT with a wrong iss', jwt({ alg: 'RS256' }, { ...CLAIMS, iss: 'https://evil.example' }, rs256)],
  ['JWT with a wrong aud', jwt({ alg: 'RS256' }, { ...CLAIMS, aud: 'another' }, rs256)],
  [
    'JWT with a key id that is a path',
    jwt({ alg: 'HS256', kid: '../../../dev/null' }, CLAIMS, (text) =>
      createHmac('sha256', '').update(text).digest('base64url'),
    ),
  ],
  ['10 KB token', 'a'.repeat(10_240)],
  ['10 KB token in the form of a key', `sbx_${'a'.repeat(5_000)}_${'b'.repeat(5_000)}`],
  ['nothing', ''],
];

/** The share of pairs in which one of `left` took longer than one of `right`: 0.5 where nothing tells them apart. */
function longer(left: readonly number[], right: readonly number[]): number {
  const wins = left.map((a) => right.filter((b) => a > b).length + right.filter((b) => a === b).length / 2);
  return wins.reduce((sum, n) => sum + n, 0) / (left.length * right.length);
}

describe('wrong key by first or last byte; expired, revoked; JWT `alg: none`, HS256 signed with the public key, wrong `iss`/`aud`, 10 KB token', () => {
  const form = (body: object) => ({ ...body, requestId: null });

  it('(keys) 401, the same body and challenge for each', async () => {
    const wanted = await ask(`Bearer ${apiKeyText(newKeyId(), newSecret())}`);
    expect(wanted).toMatchObject({ status: 401, body: { code: 'UNAUTHORIZED' } });
    for (const [kind, make] of logins) {
      const { status, headers, body } = await ask(`Bearer ${await make()}`);
      expect([kind, status, form(body)]).toEqual([kind, 401, form(wanted.body)]);
      expect(headers['www-authenticate']).toBe(wanted.headers['www-authenticate']);
      expect(headers['content-type']).toBe('application/problem+json');
    }
  });

  it.each(TOKENS)('(%s) 401, the same body as for a wrong key', async (_, token) => {
    const wanted = await ask(`Bearer ${apiKeyText(newKeyId(), newSecret())}`);
    const { status, body } = await ask(`Bearer ${token}`);
    expect([status, form(body)]).toEqual([401, form(wanted.body)]);
  });

  it.each(['access_token', 'key', 'api_key', 'token', 'authorization'])(
    '(a good key in the URL as %s) 401, and it is in no answer',
    async (name) => {
      const { secret, authorization } = await world.key(['admin']);
      const key = authorization.slice('Bearer '.length);
      const { status, body } = await askFrom(
        newAddress(),
        `${world.signalbox.httpUrl}/v1/capabilities?${name}=${key}`,
        {},
      );
      expect(status).toBe(401);
      expect(JSON.stringify(body)).not.toContain(secret);
    },
  );

  // Of two kinds with 60 answers each, the share of pairs in which one took longer lies beyond 0.5 +- 0.22 once in 30,000 runs
  // by chance (Mann and Whitney, 4 standard deviations).
  it('(time) no kind can be told from another by how long its answer takes', async () => {
    const took = new Map([...logins.keys()].map((kind): [string, number[]] => [kind, []]));
    const kinds = [...logins];
    for (let round = 0; round < 60; round++) {
      // In another order each time, and those of a round at once.
      const order = kinds.map((_, i) => kinds[(i + round) % kinds.length]!);
      const made = await Promise.all(order.map(async ([kind, make]) => [kind, `Bearer ${await make()}`] as const));
      await Promise.all(made.map(async ([kind, login]) => took.get(kind)!.push((await ask(login)).took)));
    }
    const shares = kinds.flatMap(([a], i) =>
      kinds.slice(i + 1).map(([b]): [string, number] => [`${a}, ${b}`, longer(took.get(a)!, took.get(b)!)]),
    );
    expect(shares.filter(([, share]) => Math.abs(share - 0.5) > 0.22)).toEqual([]);
  }, 120_000);
});
