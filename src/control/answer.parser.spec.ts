import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BadAnswer, parseAnswer, parseGet } from './answer.parser.js';

const parse = (text: string) => parseAnswer(Buffer.from(text));
const json = (value: unknown) => parse(JSON.stringify(value));

describe('An answer', () => {
  it.each(['accepted', 'progress', 'succeeded', 'failed', 'rejected', 'cancelled'])('may say %s', (status) => {
    expect(json({ status })).toEqual({ status });
  });

  it('keeps what it tells besides, and nothing that means nothing', () => {
    const all = { status: 'failed', progress: 0, code: '', message: 'm', result: null };
    expect(json({ ...all, at: 5, attempt: 3, id: 'x' })).toEqual(all);
    expect(json({ status: 'failed', progress: null, code: null, message: null })).toEqual({ status: 'failed' });
    expect(json({ status: 'succeeded', result: false })).toEqual({ status: 'succeeded', result: false });
  });

  it('is held to its limits to the byte', () => {
    const most = { status: 'failed', code: 'é'.repeat(512), message: 'x'.repeat(1_024), progress: 100 };
    const result = 'é'.repeat(32_767);
    expect(json({ ...most, result })).toEqual({ ...most, result });
    for (const more of [
      { code: 'é'.repeat(513) },
      { message: 'x'.repeat(1_025) },
      { result: `${result}x` },
      { progress: 100.000_1 },
      { progress: -Number.MIN_VALUE },
    ]) {
      expect(() => json({ ...most, ...more })).toThrow(BadAnswer);
    }
  });

  it('may have a result as deep as JSON may be, beneath the answer', () => {
    const deep = (levels: number) => `{"status": "succeeded", "result": ${'['.repeat(levels)}${']'.repeat(levels)}}`;
    expect(() => parse(deep(32))).not.toThrow();
    expect(() => parse(deep(33))).toThrow(BadAnswer);
    expect(() => parse(deep(200_000))).toThrow(BadAnswer);
  });

  it.each([
    '',
    '{',
    'null',
    '5',
    '"accepted"',
    '[]',
    '[{"status": "accepted"}]',
    '{}',
    '{"status": null}',
    '{"status": ["accepted"]}',
    '{"status": "Accepted"}',
    '{"status": "accepted "}',
    '{"status": "toString"}',
    '{"status": "accepted", "progress": true}',
    '{"status": "accepted", "progress": "50"}',
    '{"status": "accepted", "progress": NaN}',
    '{"status": "accepted", "code": 5}',
    '{"status": "accepted", "message": {}}',
    '{"status": "accepted", "__proto__": {}}',
    '{"status": "accepted", "result": "\\ud800"}',
    '{"status": "accepted", "result": "\\u0000"}',
    '{"status": "accepted", "result": 1e400}',
    '{"status": "accepted"} x',
  ])('is not %s', (text) => {
    expect(() => parse(text)).toThrow(BadAnswer);
  });

  it('is refused with a sentence, whatever the bytes are, and never in another way', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 50 }),
      fc.json().map((text) => Buffer.from(text)),
      fc
        .record({ status: fc.jsonValue(), progress: fc.jsonValue(), code: fc.jsonValue() })
        .map((value) => Buffer.from(JSON.stringify(value))),
    );
    fc.assert(
      fc.property(bytes, (payload) => {
        for (const read of [parseAnswer, parseGet]) {
          try {
            read(payload);
          } catch (error) {
            expect(error).toBeInstanceOf(BadAnswer);
            expect((error as Error).message).toMatch(/^[A-Z"].*\.$/s);
          }
        }
      }),
    );
  });
});

describe('A request for commands', () => {
  it.each<[string, number | null]>([
    ['{}', null],
    ['{"max": null}', null],
    ['{"max": 1}', 1],
    ['{"max": 5, "why": "awake"}', 5],
    ['{"max": 1000000}', 1_000_000],
  ])('%s asks for %p', (text, max) => {
    expect(parseGet(Buffer.from(text))).toBe(max);
  });

  it.each([
    '',
    'null',
    '[]',
    '5',
    '{"max": 0}',
    '{"max": -1}',
    '{"max": 1.5}',
    '{"max": "5"}',
    '{"max": true}',
    '{"max": 1e400}',
  ])('is not %s', (text) => {
    expect(() => parseGet(Buffer.from(text))).toThrow(BadAnswer);
  });
});
