import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { httpDevice } from '../control/http-device.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { get, post, type ProblemBody } from '../support/http.js';

interface Result {
  readonly stored: number;
  readonly duplicates: number;
  readonly rejected: readonly { readonly index: number; readonly code: string; readonly detail: string }[];
}

let signalbox: TestApp;
beforeAll(async () => {
  signalbox = await createTestApp();
});
afterAll(async () => {
  await signalbox.close();
});

const url = (path: string) => `${signalbox.httpUrl}${path}`;
const device = () => httpDevice(signalbox.httpUrl);
const readingsOf = async (id: string) =>
  (await get<{ payload: unknown; topic: string }[]>(url(`/sensors?deviceId=${id}&limit=100`))).body;
const counts = async () => (await get<{ readings: Record<string, number> }>(url('/health'))).body.readings;

describe('POST /v1/device/telemetry', () => {
  it.each<[string, unknown, object[]]>([
    ['a flat reading', { temperature: 21.5, id: 'a metric' }, [{ temperature: 21.5, id: 'a metric' }]],
    ['an envelope', { values: { temperature: 22 }, id: 'r1', ack: true }, [{ temperature: 22 }]],
    ['an array of both', [{ t: 1 }, { values: { t: 2 } }], [{ t: 1 }, { t: 2 }]],
    ['SenML', [{ bn: 'box/', n: 'rpm', v: 3 }], [{ 'box/rpm': 3 }]],
  ])('stores %s as if it had come on the up/telemetry of the device', async (_, body, values) => {
    const pump = device();
    const { status, body: result } = await pump.telemetry<Result>(body);
    expect([status, result]).toEqual([200, { stored: values.length, duplicates: 0, rejected: [] }]);
    const readings = await readingsOf(pump.id);
    expect(readings.map(({ payload }) => payload)).toEqual(values);
    expect(readings[0]!.topic).toBe(`devices/${pump.id}/up/telemetry`);
  });

  it('judges each reading of an array alone, and keeps what it rejects', async () => {
    const pump = device();
    const body = '[{"t": 1}, {"t": 1e999}, 7, {"values": {"t": 2}, "unit": "C"}, {"a": {"__proto__": 1}}, {"t": 3}]';
    const { status, body: result } = await pump.telemetry<Result>(body);
    expect(status).toBe(200);
    expect(result).toMatchObject({ stored: 2, duplicates: 0 });
    expect(result.rejected.map(({ index, code }) => [index, code])).toEqual([
      [1, 'NUMBER_TOO_LARGE'],
      [2, 'NOT_AN_OBJECT'],
      [3, 'UNKNOWN_FIELD'],
      [4, 'FORBIDDEN_KEY'],
    ]);
    expect(Object.keys(result.rejected[0]!)).toEqual(['index', 'code', 'detail']);
    const rejects = await get<{ items: { code: string }[] }>(url(`/v1/rejects?deviceId=${pump.id}`));
    expect(rejects.body.items).toHaveLength(4);
  });

  it('tells duplicates, and counts like everything else', async () => {
    const pump = device();
    const before = await counts();
    const reading = { values: { t: 1 }, ts: Date.now() };
    expect((await pump.telemetry(reading)).body).toMatchObject({ stored: 1, duplicates: 0 });
    expect((await pump.telemetry([reading, { t: 2 }, {}])).body).toMatchObject({
      stored: 1,
      duplicates: 1,
      rejected: [{ index: 2, code: 'EMPTY' }],
    });
    const after = await counts();
    const risen = (name: string) => after[name]! - before[name]!;
    expect(['received', 'stored', 'duplicates', 'rejected', 'notAcknowledged'].map(risen)).toEqual([4, 2, 1, 1, 0]);
  });

  it('makes the device native: its commands do not go to a foreign topic', async () => {
    const pump = device();
    await pump.telemetry({ t: 1 });
    const { body } = await post<{ mode: string }>(url('/control'), { command: 'X', deviceId: pump.id });
    expect(body.mode).toBe('result');
  });

  it.each([
    ['empty', ''],
    ['cut off', '{"t": '],
    ['NaN', '{"t": NaN}'],
    ['no UTF-8', Uint8Array.of(0x22, 0xff, 0x22)],
    ['followed by a zero byte', '{"t": 1}\0'],
  ])('refuses a body that is %s with 400', async (_, body) => {
    const pump = device();
    const before = await counts();
    const { status, body: problem } = await pump.telemetry<ProblemBody>(body);
    expect([status, problem.code]).toEqual([400, 'BAD_JSON']);
    expect(await counts()).toEqual(before);
  });

  it('refuses a request without a body', async () => {
    const answer = await fetch(url('/v1/device/telemetry'), { method: 'POST', headers: device().login });
    expect(answer.status).toBe(400);
  });

  it('refuses more than 256 KiB with 413, and more than 1 MiB too', async () => {
    const pump = device();
    const items = (bytes: number) => `[${' '.repeat(bytes)}{"t": 1}]`;
    expect((await pump.telemetry(items(262_144 - 10))).status).toBe(200);
    const large = await pump.telemetry<ProblemBody>(items(262_144));
    expect([large.status, large.body.code]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
    const huge = await pump.telemetry<ProblemBody>(items(1_048_576));
    expect([huge.status, huge.body.code]).toEqual([413, 'BODY_TOO_LARGE']);
  });

  it('refuses what is not JSON by its type, and rejects more than 1,000 readings', async () => {
    const pump = device();
    const csv = await post<ProblemBody>(url('/v1/device/telemetry'), 't;1', {
      ...pump.login,
      'content-type': 'text/csv',
    });
    expect([csv.status, csv.body.code]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE']);
    const { body } = await pump.telemetry<Result>(Array.from({ length: 1_001 }, () => ({ t: 1 })));
    expect(body).toMatchObject({ stored: 0, rejected: [{ index: 0, code: 'TOO_MANY_ITEMS' }] });
  });
});
