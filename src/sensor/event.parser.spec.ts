import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { parseEvent } from './event.parser.js';
import { Refusal } from './sensor.errors.js';

const NOW = Date.UTC(2026, 10, 21, 12);
const bounds = { receivedAt: NOW, retentionMs: 86_400_000 };

function parse(text: string, type = 'alarm') {
  return parseEvent(Buffer.from(text), type, bounds);
}

function event(text: string, type?: string) {
  const parsed = parse(text, type);
  if (parsed instanceof Refusal) throw new Error(parsed.detail);
  return parsed;
}

describe('parseEvent', () => {
  it('keeps any JSON verbatim, blanks and large integers included', () => {
    for (const body of ['null', '5', '"x"', '[1, 2]', '{ "n": 12345678901234567890, "b": {} }']) {
      expect(event(body)).toEqual({ ts: NOW, identity: 'unique', key: '', body });
    }
  });

  it('identifies it by the id and ts of an object', () => {
    expect(event('{"id":"a"}')).toMatchObject({ identity: 'id', key: 'a', ts: NOW });
    expect(event(`{"id":"a","ts":${NOW - 1}}`)).toMatchObject({ identity: 'id-ts', key: 'a', ts: NOW - 1 });
    expect(event(`{"x":1,"ts":${NOW - 1}}`)).toMatchObject({ identity: 'hash', ts: NOW - 1 });
  });

  it('takes an id or ts of another type for content', () => {
    expect(event('{"id":5,"ts":null}')).toMatchObject({ identity: 'unique', ts: NOW });
  });

  it('tells events of two types apart that are otherwise equal', () => {
    const body = `{"ts":${NOW}}`;
    expect(event(body, 'open').key).not.toBe(event(body, 'closed').key);
    expect(event(body, 'open').key).toBe(event(` ${body}`, 'open').key);
  });

  it.each([
    ['', 'NOT_JSON'],
    ['{', 'NOT_JSON'],
    ['{"a":"\\u0000"}', 'BAD_VALUE'],
    ['{"a":1e999}', 'NUMBER_TOO_LARGE'],
    ['{"__proto__":1}', 'FORBIDDEN_KEY'],
    [`${'['.repeat(33)}${']'.repeat(33)}`, 'TOO_DEEP'],
    ['{"id":""}', 'BAD_ID'],
    ['{"ts":"now"}', 'BAD_TIMESTAMP'],
    [`{"ts":${NOW - 86_400_001}}`, 'TOO_OLD'],
    [`"${'x'.repeat(262_143)}"`, 'PAYLOAD_TOO_LARGE'],
  ])('refuses %.40j with %s', (text, code) => expect(parse(text)).toMatchObject({ code }));

  it('refuses a type that could not be asked for in a query', () => {
    expect(parse('1', 'a,b')).toMatchObject({ code: 'BAD_EVENT_TYPE' });
    expect(parse('1', '')).toMatchObject({ code: 'BAD_EVENT_TYPE' });
  });

  it('never throws', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array().map((bytes) => Buffer.from(bytes)),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (bytes) => {
          expect(() => parseEvent(bytes, 'x', bounds)).not.toThrow();
        },
      ),
    );
  });
});
