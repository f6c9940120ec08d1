import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { basic } from '../control/http-device.js';
import { get, post, type ProblemBody } from '../support/http.js';
import { Stage } from './support/stage.js';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.start();
});
afterEach(async () => {
  await stage.holds('a-secret');
});
afterAll(async () => {
  await stage.logsRefusals();
  await stage.stop();
});

const LOGIN = basic('pump:a-secret');
/** Every route that reads a body, and a field of that body which may hold any JSON. */
const ROUTES: readonly (readonly [string, string])[] = [
  ['/publish', 'message'],
  ['/control', 'params'],
  ['/v1/devices', 'tags'],
  ['/v1/devices/pump/credentials', 'overlapSeconds'],
  ['/v1/api-keys', 'tags'],
  ['/v1/session', 'key'],
  ['/v1/devices/pump/commands', 'params'],
  ['/v1/commands/019aa7c0-7d7e-7cc2-9f52-1f4ad2f3a9c1/cancel', 'reason'],
  ['/v1/device/commands/019aa7c0-7d7e-7cc2-9f52-1f4ad2f3a9c1', 'result'],
  ['/v1/device/telemetry', 'values'],
];
const TELEMETRY = '/v1/device/telemetry';
const send = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  post<ProblemBody>(stage.url(path), body, { ...LOGIN, ...headers });

/** Nothing of what was refused may be found anywhere. */
async function nothingKept(): Promise<void> {
  for (const path of ['/messages', '/sensors?deviceId=pump', '/v1/rejects']) {
    const { body } = await get<unknown[] | { items: unknown[] }>(stage.url(path));
    expect([path, 'items' in body ? body.items : body]).toEqual([path, []]);
  }
  expect((await get(stage.url('/v1/devices/pump/commands'))).status).toBe(404);
}

describe('malformed, truncated, deeply nested (200,000 `[`), duplicate-key, `NaN`, `1e999`, invalid UTF-8, lone surrogate, `\\u0000` JSON', () => {
  const BAD: readonly (readonly [string, (field: string) => string | Uint8Array])[] = [
    ['malformed', (field) => `{"${field}": {'a': 1}}`],
    ['truncated', (field) => `{"${field}": {"a": `],
    ['NaN', (field) => `{"${field}": {"a": NaN}}`],
    [
      'invalid UTF-8',
      (field) => Buffer.concat([Buffer.from(`{"${field}": {"a": "`), Buffer.of(0xc3, 0x28), Buffer.from('"}}')]),
    ],
    ['deeply nested', (field) => `{"${field}": ${'['.repeat(200_000)}${']'.repeat(200_000)}}`],
    ['deeply nested and truncated', () => '['.repeat(200_000)],
    ['1e999', (field) => `{"${field}": {"a": 1e999}}`],
    ['a lone surrogate', (field) => `{"${field}": {"a": "\\ud800"}}`],
    ['\\u0000', (field) => `{"${field}": {"a": "\\u0000"}}`],
  ];

  describe.each(ROUTES.filter(([path]) => path !== TELEMETRY))('POST %s', (path, field) => {
    it.each(BAD)('(%s) 400', async (_, body) => {
      await stage.refuses({ status: 400, code: 'BAD_JSON' }, () => send(path, body(field)));
      await nothingKept();
    });
  });

  it('(duplicate-key) the last wins', async () => {
    const { status, body } = await post<{ message: unknown }>(
      stage.url('/publish'),
      '{"topic": "lab/x", "message": "first", "message": {"a": 1, "a": 2}}',
    );
    expect([status, body.message]).toEqual([200, { a: 2 }]);
  });

  // What can be read is judged as a reading (contract, section 7: a verdict for each, in a 200).
  it.each([
    ['malformed', `{'a': 1}`],
    ['truncated', '{"a": '],
    ['NaN', '{"a": NaN}'],
    ['invalid UTF-8', Buffer.concat([Buffer.from('{"a": "'), Buffer.of(0xc3, 0x28), Buffer.from('"}')])],
    ['deeply nested and truncated', '['.repeat(200_000)],
  ])('(%s, telemetry) 400', async (_, body) => {
    await stage.refuses({ status: 400, code: 'BAD_JSON' }, () => send(TELEMETRY, body));
    await nothingKept();
  });

  it.each([
    ['deeply nested', `{"a": ${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 'TOO_DEEP'],
    ['1e999', '{"a": 1e999}', 'NUMBER_TOO_LARGE'],
    ['a lone surrogate', '{"a": "\\udc00"}', 'BAD_VALUE'],
    ['\\u0000', '{"a": "\\u0000"}', 'BAD_VALUE'],
  ])('(%s, telemetry) a verdict, and nothing stored', async (_, body, code) => {
    const pump = { ...basic(`pump-${code}:a-secret`) };
    const { status, body: result } = await post(stage.url(TELEMETRY), body, pump);
    expect([status, result]).toEqual([
      200,
      { stored: 0, duplicates: 0, rejected: [{ index: 0, code, detail: expect.stringMatching(/\w/) }] },
    ]);
    expect((await get(stage.url(`/sensors?deviceId=pump-${code}`))).body).toEqual([]);
  });
});
