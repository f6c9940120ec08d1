import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { KeyRing } from '../../src/access/key-ring.js';
import { newKeyId, readApiKey } from '../../src/common/secrets.js';
import { type RequiredApp, startRequired } from '../support/access.js';
import { createTestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { post, type ProblemBody } from '../support/http.js';

interface Key {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly tags: object | null;
  readonly createdBy: string;
  readonly expiresAt: string | null;
  readonly key: string;
}
interface Page {
  readonly items: readonly Key[];
  readonly nextCursor: string | null;
}

let box: RequiredApp;
beforeAll(async () => {
  box = await startRequired();
});
afterAll(() => box.close());

const make = async (asked: object): Promise<Key> => {
  const { status, body } = await box.admin.post<Key>('/v1/api-keys', { name: 'a key', ...asked });
  expect([status, body]).toMatchObject([201, { id: expect.any(String) }]);
  return body;
};
const refusal = async (asked: object) => {
  const { status, body } = await box.admin.post<ProblemBody>('/v1/api-keys', { name: 'a key', ...asked });
  return [status, body.code, body.errors?.map(({ pointer }) => pointer)];
};
const inMinutes = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString();

describe('A new API key', () => {
  it('is told once, with what it may, and lets in for that alone', async () => {
    const expiresAt = inMinutes(60);
    const { status, headers, body } = await box.admin.post<Key>('/v1/api-keys', {
      name: 'greenhouse dashboard',
      scopes: ['telemetry:read', 'commands:send:TURN_ON_FAN'],
      tags: { site: 'north' },
      expiresAt,
    });
    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`/v1/api-keys/${body.id}`);
    expect(body).toEqual({
      id: expect.stringMatching(/^[A-Za-z0-9]{16}$/),
      name: 'greenhouse dashboard',
      scopes: ['telemetry:read', 'commands:send:TURN_ON_FAN'],
      tags: { site: 'north' },
      createdAt: expect.any(String),
      createdBy: readApiKey(box.adminKey)!.id,
      expiresAt,
      key: expect.stringMatching(/^sbx_[A-Za-z0-9]{16}_[A-Za-z0-9]{43}$/),
    });
    expect(readApiKey(body.key)!.id).toBe(body.id);
    const key = box.as(body.key);
    expect((await key.get('/v1/rejects')).status).toBe(200);
    for (const path of ['/messages', '/v1/commands', '/v1/api-keys', '/v1/audit']) {
      expect([path, (await key.get(path)).status]).toEqual([path, 403]);
    }
  });

  it('is shown afterwards without the key and without its hash', async () => {
    const { key, ...made } = await make({ scopes: ['devices:read'] });
    const one = await box.admin.get<Key>(`/v1/api-keys/${made.id}`);
    expect([one.status, one.body]).toEqual([200, made]);
    const list = await box.admin.get<Page>('/v1/api-keys?limit=1000');
    expect(list.body.items).toContainEqual(made);
    const { hash } = (await box.app.get(KeyRing).list()).find(({ id }) => id === made.id)!;
    for (const text of [one.text, list.text]) {
      expect(text).not.toContain(readApiKey(key)!.secret);
      expect(text).not.toContain(hash);
    }
  });

  it.each([
    [{ scopes: [] }, ['/scopes']],
    [{ scopes: 'admin' }, ['/scopes']],
    [{ scopes: ['everything'] }, ['/scopes']],
    [{ scopes: ['admin', 5] }, ['/scopes']],
    [{ scopes: ['admin', 'admin'] }, ['/scopes']],
    [{ scopes: ['commands:send:'] }, ['/scopes']],
    [{ scopes: ['commands:send:1x'] }, ['/scopes']],
    [{ scopes: ['commands:send:TURN ON'] }, ['/scopes']],
    [{ scopes: [`commands:send:${'a'.repeat(65)}`] }, ['/scopes']],
    [{ scopes: ['constructor'] }, ['/scopes']],
    [{ name: '', scopes: ['admin'] }, ['/name']],
    [{ name: 'a\nb', scopes: ['admin'] }, ['/name']],
    [{ name: 'a\u0000b', scopes: ['admin'] }, undefined],
    [{ name: 'x'.repeat(129), scopes: ['admin'] }, ['/name']],
    [{ scopes: ['devices:read'], tags: {} }, ['/tags']],
    [{ scopes: ['devices:read'], tags: [] }, ['/tags']],
    [{ scopes: ['devices:read'], tags: null }, ['/tags']],
    [{ scopes: ['devices:read'], tags: { site: 5 } }, ['/tags']],
    [{ scopes: ['devices:read'], tags: { '': 'x' } }, ['/tags']],
    [{ scopes: ['devices:read'], expiresAt: 'tomorrow' }, ['/expiresAt']],
    [{ scopes: ['devices:read'], expiresAt: '2020-01-01T00:00:00Z' }, ['/expiresAt']],
    [{ scopes: ['devices:read'], expiresAt: null }, ['/expiresAt']],
    [{ scopes: ['devices:read'], hash: 'mine' }, ['/hash']],
    [{ scopes: ['devices:read'], id: 'mine' }, ['/id']],
  ])('of %j is refused with 400', async (asked, pointers) => {
    const [status, , where] = await refusal(asked);
    expect(status).toBe(400);
    if (pointers) expect(where).toEqual(pointers);
  });

  it.each(['messages:read', 'mqtt:publish', 'webhooks:manage', 'metrics:read', 'admin'])(
    'with tags cannot have %s, which reaches beyond devices',
    async (scope) => {
      expect(await refusal({ scopes: ['telemetry:read', scope], tags: { site: 'north' } })).toEqual([
        400,
        'VALIDATION_FAILED',
        ['/scopes'],
      ]);
    },
  );

  it('can be made by no key that is not admin, so that none can make anything wider than itself', async () => {
    const wide = [
      'telemetry:read',
      'telemetry:write',
      'devices:read',
      'devices:write',
      'commands:read',
      'commands:send',
    ];
    const all = [...wide, 'stream:read', 'webhooks:manage', 'messages:read', 'mqtt:publish', 'metrics:read'];
    const { key } = await make({ scopes: all });
    for (const scopes of [['admin'], ['telemetry:read'], all]) {
      expect((await box.as(key).post('/v1/api-keys', { name: 'x', scopes })).status).toBe(403);
    }
  });

  it('is refused in open mode with 409', async () => {
    const open = await createTestApp();
    const { status, body } = await post<ProblemBody>(`${open.httpUrl}/v1/api-keys`, { name: 'x', scopes: ['admin'] });
    await open.close();
    expect([status, body.status, body.code]).toEqual([409, 409, 'OPEN_MODE']);
  });
});

describe('A revoked API key', () => {
  it('is out with the next request, and there is no such key any more', async () => {
    const { id, key } = await make({ scopes: ['devices:read'] });
    expect((await box.as(key).get('/v1/session')).status).toBe(200);
    expect((await box.admin.delete(`/v1/api-keys/${id}`)).status).toBe(204);
    expect((await box.as(key).get('/v1/session')).status).toBe(401);
    for (const answer of [await box.admin.get(`/v1/api-keys/${id}`), await box.admin.delete(`/v1/api-keys/${id}`)]) {
      expect([answer.status, (answer.body as ProblemBody).code]).toEqual([404, 'KEY_UNKNOWN']);
    }
  });

  it('lets in with the very next request after it is made, and with none after it is revoked', async () => {
    for (let i = 0; i < 20; i++) {
      const { id, key } = await make({ scopes: ['devices:read'] });
      expect((await box.as(key).get('/v1/session')).status).toBe(200);
      await box.admin.delete(`/v1/api-keys/${id}`);
      expect((await box.as(key).get('/v1/session')).status).toBe(401);
    }
  });

  it('is told to whoever holds connections that were made with it, like one that has expired', async () => {
    const ended: string[] = [];
    const stop = box.app.get(KeyRing).onRevoked((id) => ended.push(id));
    const kept = await make({ scopes: ['devices:read'] });
    const revoked = await make({ scopes: ['devices:read'] });
    const short = await make({ scopes: ['devices:read'], expiresAt: Date.now() + 1_500 });
    await box.as(short.key).get('/v1/session');
    await box.admin.delete(`/v1/api-keys/${revoked.id}`);
    await eventually('the revoked one is told', () => ended.includes(revoked.id));
    await eventually('the expired one is told, although nobody asks', () => ended.includes(short.id));
    expect(ended.toSorted()).toEqual([revoked.id, short.id].toSorted());
    expect((await box.as(short.key).get('/v1/session')).status).toBe(401);
    expect((await box.as(kept.key).get('/v1/session')).status).toBe(200);
    stop();
  });

  it.each(['-', newKeyId(), 'a%00b', '..%2f..%2fetc', 'x'.repeat(200), "'; drop table api_keys"])(
    'that there never was (%s) is 404',
    async (id) => {
      expect((await box.admin.delete(`/v1/api-keys/${encodeURI(id).replaceAll('%25', '%')}`)).status).toBe(404);
    },
  );
});

describe('The last admin key', () => {
  it('that never expires cannot be revoked, until there is another, and then by two at once only one', async () => {
    const first = readApiKey(box.adminKey)!.id;
    const expiring = await make({ scopes: ['admin'], expiresAt: inMinutes(5) });
    const { status, body } = await box.admin.delete<ProblemBody>(`/v1/api-keys/${first}`);
    expect([status, body.code]).toEqual([409, 'LAST_ADMIN_KEY']);
    expect((await box.admin.get('/v1/session')).status).toBe(200);
    const second = await make({ scopes: ['admin'] });
    const answers = await Promise.all(
      [first, second.id].map((id) => box.as(expiring.key).delete(`/v1/api-keys/${id}`)),
    );
    expect(answers.map((answer) => answer.status).toSorted()).toEqual([204, 409]);
    const left = answers[0]!.status === 409 ? box.adminKey : second.key;
    expect((await box.as(left).delete(`/v1/api-keys/${expiring.id}`)).status).toBe(204);
    if (left !== box.adminKey) {
      await box.close();
      box = await startRequired();
    }
  });
});

describe('The list of API keys', () => {
  it('goes page by page, newest first, each key once, also while others are made', async () => {
    for (let i = 0; i < 5; i++) await make({ name: `page ${i}`, scopes: ['devices:read'] });
    const all = (await box.admin.get<Page>('/v1/api-keys?limit=1000')).body.items.map(({ id }) => id);
    const seen: string[] = [];
    for (let path: string | null = '/v1/api-keys?limit=2'; path !== null;) {
      const { body, headers }: { body: Page; headers: Headers } = await box.admin.get<Page>(path);
      seen.push(...body.items.map(({ id }) => id));
      await make({ name: 'between', scopes: ['devices:read'] });
      path = body.nextCursor && `/v1/api-keys?limit=2&cursor=${body.nextCursor}`;
      expect(headers.get('link')).toBe(path && `<${path}>; rel="next"`);
    }
    expect(seen).toEqual(all);
  });

  it.each(['limit=1001', 'limit=0', 'limit=0x10', 'cursor=nonsense', 'sort=name', 'limit=1&limit=2'])(
    'refuses ?%s with 400',
    async (query) => {
      expect((await box.admin.get(`/v1/api-keys?${query}`)).status).toBe(400);
    },
  );
});

describe('10,000 API keys', () => {
  it('are as many as there may be', async () => {
    const { sql } = box.database;
    const count = (await box.app.get(KeyRing).list()).length;
    const row = () => ({
      id: newKeyId(),
      name: 'one of many',
      scopes: '["devices:read"]',
      tags: null,
      hash: '-',
      created_at: 1,
      created_by: 'test',
      expires_at: null,
    });
    for (let left = 9_999 - count; left > 0; left -= 1_000) {
      const rows = Array.from({ length: Math.min(left, 1_000) }, row);
      await box.database.write([sql.insertInto('api_keys').values(rows).compile()]);
    }
    const answers = await Promise.all(
      [1, 2, 3].map(() => box.admin.post<ProblemBody>('/v1/api-keys', { name: 'x', scopes: ['devices:read'] })),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 409, 409]);
    expect(answers.find(({ status }) => status === 409)!.body.code).toBe('TOO_MANY_KEYS');
    const entries = await box.database.point
      .selectFrom('audit')
      .select('target')
      .where('action', '=', 'key.create')
      .orderBy('seq', 'desc')
      .limit(1)
      .execute();
    expect(entries).toEqual([{ target: (answers.find(({ status }) => status === 201)!.body as unknown as Key).id }]);
  });
});
