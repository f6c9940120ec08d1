import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/common/ids.js';
import { readApiKey } from '../../src/common/secrets.js';
import { Retention } from '../../src/storage/retention.js';
import { type RequiredApp, startRequired } from '../support/access.js';
import type { ProblemBody } from '../support/http.js';

interface Entry {
  readonly at: string;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly ip: string | null;
  readonly requestId: string | null;
}
interface Page {
  readonly items: readonly Entry[];
  readonly nextCursor: string | null;
}

const DAY = 86_400_000;
const EPOCH = Date.UTC(2026, 0, 1);
let box: RequiredApp;
beforeAll(async () => {
  box = await startRequired({ RETENTION_AUDIT: '10d' });
  const rows = Array.from({ length: 25 }, (_, i) => ({
    id: newId(),
    at: EPOCH + i * 1_000,
    actor: `actor-${i % 3}`,
    action: `thing.${i % 2 === 0 ? 'create' : 'remove'}`,
    target: `target-${i % 5}`,
    ip: '203.0.113.7',
    request_id: `request-${i}`,
  }));
  await box.database.write([box.database.sql.insertInto('audit').values(rows).compile()]);
});
afterAll(() => box.close());

const list = async (query: string) => (await box.admin.get<Page>(`/v1/audit?${query}`)).body.items;
const numbers = async (query: string) =>
  (await list(query)).map(({ requestId }) => Number(requestId?.replace('request-', '')));

describe('The audit log', () => {
  it('says who changed what, when, from where and by which request, and nothing else', async () => {
    const made = await box.admin.post<{ id: string; key: string }>('/v1/api-keys', {
      name: 'a telling name',
      scopes: ['devices:read'],
    });
    const removed = await box.admin.delete(`/v1/api-keys/${made.body.id}`);
    const entry = {
      at: expect.any(String),
      actor: readApiKey(box.adminKey)!.id,
      target: made.body.id,
      ip: '127.0.0.1',
    };
    const { text, body } = await box.admin.get<Page>(`/v1/audit?target=${made.body.id}`);
    expect(body).toEqual({
      items: [
        { ...entry, action: 'key.revoke', requestId: removed.headers.get('x-request-id') },
        { ...entry, action: 'key.create', requestId: made.headers.get('x-request-id') },
      ],
      nextCursor: null,
      hasMore: false,
    });
    expect(text).not.toContain('telling');
    expect(text).not.toContain(readApiKey(made.body.key)!.secret);
  });

  it('is filtered by actor, action, target and time', async () => {
    expect(await numbers('actor=actor-0&action=thing.create')).toEqual([24, 18, 12, 6, 0]);
    expect(await numbers('target=target-1,target-2&action=thing.remove')).toEqual([21, 17, 11, 7, 1]);
    const [from, to] = [EPOCH + 3_000, EPOCH + 6_000];
    expect(await numbers(`from=${from}&to=${to}`)).toEqual([5, 4, 3]);
    expect(await numbers(`from=${new Date(from).toISOString()}&to=${new Date(to).toISOString()}`)).toEqual([5, 4, 3]);
    expect(await list('actor=nobody')).toEqual([]);
  });

  it('goes page by page, newest first, each entry once, also while others are written', async () => {
    const all = await numbers('action=thing.create,thing.remove');
    expect(all).toHaveLength(25);
    const seen: number[] = [];
    const query = 'limit=7&action=thing.create,thing.remove';
    for (let path: string | null = `/v1/audit?${query}`; path !== null;) {
      const { body }: { body: Page } = await box.admin.get<Page>(path);
      seen.push(...body.items.map(({ requestId }) => Number(requestId!.replace('request-', ''))));
      await box.admin.post('/v1/session', { key: box.adminKey });
      path = body.nextCursor && `/v1/audit?${query}&cursor=${body.nextCursor}`;
    }
    expect(seen).toEqual(all);
  });

  it('keeps a cursor to its filters', async () => {
    const { body } = await box.admin.get<Page>('/v1/audit?limit=1&actor=actor-0');
    const other = await box.admin.get<ProblemBody>(`/v1/audit?limit=1&actor=actor-1&cursor=${body.nextCursor}`);
    expect([other.status, other.body.code]).toEqual([400, 'CURSOR_MISMATCH']);
  });

  it.each([
    'limit=1001',
    'limit=-1',
    'from=yesterday',
    'from=2&to=1',
    'actor=',
    'actor=a%00b',
    'actor=a&actor=b',
    'requestId=1',
    'cursor=e30',
  ])('refuses ?%s with 400', async (query) => {
    expect((await box.admin.get(`/v1/audit?${query}`)).status).toBe(400);
  });

  it('is for admins alone', async () => {
    const scopes = [
      'telemetry:read',
      'telemetry:write',
      'devices:read',
      'devices:write',
      'commands:read',
      'metrics:read',
    ];
    const { body } = await box.admin.post<{ key: string }>('/v1/api-keys', { name: 'x', scopes });
    expect((await box.as(body.key).get('/v1/audit')).status).toBe(403);
    expect((await box.anonymous.get('/v1/audit')).status).toBe(401);
  });

  it('is kept as long as RETENTION_AUDIT says', async () => {
    const before = (await list('limit=1000')).length;
    expect((await box.app.get(Retention).run(EPOCH + 10 * DAY + 20_000)).audit).toBe(20);
    expect(await list('limit=1000')).toHaveLength(before - 20);
  });
});
