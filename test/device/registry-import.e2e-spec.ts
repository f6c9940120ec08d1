import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestApp, type TestApp } from '../support/app.js';
import { basic, type Requests, requestsWith } from '../support/access.js';
import type { ProblemBody } from '../support/http.js';
import type { DevicePage, ShownCredential, ShownDevice } from './registry-box.js';

let signalbox: TestApp;
let api: Requests;
beforeAll(async () => {
  signalbox = await createTestApp();
  api = requestsWith(signalbox.httpUrl, {});
});
afterAll(async () => {
  await signalbox.close();
});

interface Imported {
  readonly created: number;
  readonly failed: readonly { readonly line: number; readonly code: string; readonly detail: string }[];
  readonly devices: readonly { readonly id: string; readonly credential: ShownCredential }[];
}
const send = <T = Imported>(type: string, body: string | Buffer, headers: Record<string, string> = {}) =>
  api.post<T>('/v1/devices/import', body, { 'content-type': type, ...headers });
const ndjson = (...lines: string[]) => send('application/x-ndjson', lines.join('\n'));
const csv = (...lines: string[]) => send('text/csv; charset=utf-8', lines.join('\r\n'));
const shown = async (id: string) => (await api.get<ShownDevice>(`/v1/devices/${id}`)).body;
const verdicts = ({ failed }: Imported) => failed.map(({ line, code }) => [line, code]);

describe('POST /v1/devices/import', () => {
  it('takes NDJSON, with a verdict for each line', async () => {
    const { status, headers, body } = await ndjson(
      '{"id": "n-1", "name": "One", "tags": {"site": "north"}}',
      '',
      '{"id": "n-2", "type": "pump"}\r',
      '{"id": "n-1"}',
      '{"id": "n 3"}',
      '{"id": "n-4", "colour": "red"}',
      'nonsense',
      '[]',
      '{"id": "n-5", "name": "\\u0000"}',
      '{"id": "n-6", "__proto__": {}}',
      '{"id": "n-7"}',
    );
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body.created).toBe(3);
    expect(body.devices.map(({ id }) => id)).toEqual(['n-1', 'n-2', 'n-7']);
    expect(verdicts(body)).toEqual([
      [4, 'DEVICE_EXISTS'],
      [5, 'VALIDATION_FAILED'],
      [6, 'VALIDATION_FAILED'],
      [7, 'BAD_JSON'],
      [8, 'VALIDATION_FAILED'],
      [9, 'BAD_JSON'],
      [10, 'BAD_JSON'],
    ]);
    expect(await shown('n-1')).toMatchObject({ name: 'One', tags: { site: 'north' } });
    const again = await ndjson('{"id": "n-7"}', '{"id": "n-8"}');
    expect([again.body.created, verdicts(again.body)]).toEqual([1, [[1, 'DEVICE_EXISTS']]]);
    const rows = await signalbox.database.point
      .selectFrom('audit')
      .select('target')
      .where('action', '=', 'device.create')
      .execute();
    expect(rows.map(({ target }) => target).toSorted()).toEqual(['n-1', 'n-2', 'n-7', 'n-8']);
  });

  it('takes CSV, with quotes, tags, a byte order mark, and columns in any order', async () => {
    const { body } = await csv(
      '\uFEFFtags,id,name',
      'site:north;floor:2,c-1,"Boiler, ""big"""',
      ',c-2,',
      '"note:a:b",c-3,Ölpumpe',
      'north,c-4,x',
      'a:1;a:2,c-5,x',
      ',c-6,x,more',
      ',c-7,"x',
      ',c-8,x"y',
      ',,x',
      ',c-9,"two\nlines"',
      ',c-10,last',
    );
    expect(body.devices.map(({ id }) => id)).toEqual(['c-1', 'c-2', 'c-3', 'c-10']);
    expect(verdicts(body)).toEqual([
      [5, 'BAD_CSV'],
      [6, 'BAD_CSV'],
      [7, 'BAD_CSV'],
      [8, 'BAD_CSV'],
      [9, 'BAD_CSV'],
      [10, 'VALIDATION_FAILED'],
      [11, 'BAD_CSV'],
      [12, 'BAD_CSV'],
    ]);
    expect(await shown('c-1')).toMatchObject({ name: 'Boiler, "big"', tags: { site: 'north', floor: '2' } });
    expect(await shown('c-2')).toMatchObject({ name: null, tags: {} });
    expect(await shown('c-3')).toMatchObject({ name: 'Ölpumpe', tags: { note: 'a:b' } });
  });

  it.each(['', 'name,type', 'id,id', 'id,colour', '"id', '\xff'])('refuses CSV whose header is %j', async (header) => {
    const { status, body } = await send<ProblemBody>('text/csv', Buffer.from(`${header}\nheaderless,x\n`, 'latin1'));
    expect(status).toBe(400);
    expect(body.code).toBe('BAD_CSV');
    expect((await api.get('/v1/devices/headerless')).status).toBe(404);
  });

  it('answers CSV where that is accepted, and lets no cell become a formula', async () => {
    const body = '{"id": "=1+1"}\n{"id": "f-1"}\n{"id": "f-2", "=cmd": 1}';
    const answer = await send<string>('application/x-ndjson', body, { accept: 'text/csv' });
    expect(answer.headers.get('content-type')).toMatch(/^text\/csv; charset=utf-8/);
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename="devices.csv"');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    const lines = answer.text.split('\r\n');
    expect(lines[0]).toBe('id,credentialId,secret,line,code,detail');
    expect(lines[1]).toMatch(/^f-1,\w{16},\w{43},,,$/);
    expect(lines[2]).toMatch(/^,,,1,VALIDATION_FAILED,/);
    expect(lines[3]).toBe(`,,,3,VALIDATION_FAILED,'=cmd is not known here`);
    expect(lines.slice(4)).toEqual(['']);
    expect(
      (await send('application/x-ndjson', '{"id": "f-3"}', { accept: 'application/json, text/csv;q=0' })).body.created,
    ).toBe(1);
  });

  it('takes no other type of body, and none without a type', async () => {
    for (const type of ['application/json', 'text/plain', 'application/merge-patch+json', 'text/csv; charset=latin1']) {
      expect((await send<ProblemBody>(type, '{"id": "other"}')).status).toBe(415);
    }
    expect((await fetch(`${signalbox.httpUrl}/v1/devices/import`, { method: 'POST' })).status).toBe(415);
    expect((await send<ProblemBody>('application/x-ndjson', '\n'.repeat(1_048_577))).status).toBe(413);
  });

  it('takes 3,000 lines, and refuses more than 10,000 whole', async () => {
    const lines = Array.from({ length: 3_000 }, (_, i) => `m-${i},"Name ${i}",,"n:${i};site:mass"`);
    const { body } = await csv('id,name,type,tags', ...lines, 'm-1,again,,');
    expect([body.created, verdicts(body)]).toEqual([3_000, [[3_002, 'DEVICE_EXISTS']]]);
    expect(new Set(body.devices.map(({ credential }) => credential.secret)).size).toBe(3_000);
    const page = (await api.get<DevicePage>('/v1/devices?tag=site:mass&limit=1000')).body;
    expect(page.items).toHaveLength(1_000);
    const many = await csv('id', ...Array.from({ length: 10_001 }, (_, i) => `over-${i}`));
    expect((many.body as unknown as ProblemBody).code).toBe('TOO_MANY_LINES');
    expect((await api.get('/v1/devices/over-0')).status).toBe(404);
  });

  it('creates devices that can log in', async () => {
    const { body } = await ndjson('{"id": "in-1"}');
    const { database } = signalbox;
    const rows = await database.point.selectFrom('credentials').selectAll().where('device_id', '=', 'in-1').execute();
    expect(rows.map(({ id }) => id)).toEqual([body.devices[0]!.credential.id]);
    expect(
      (await api.post('/v1/device/telemetry', { t: 1 }, basic('in-1', body.devices[0]!.credential.secret))).status,
    ).toBe(200);
  });
});
