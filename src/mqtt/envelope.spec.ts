import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Json } from '../common/json.js';
import { BadEnvelope, decodeStrictly, MAX_REQUEST_BYTES, openEnvelope } from './envelope.js';

const TOPIC = 'services/control/send';
const open = (payload: string | Buffer) => openEnvelope(Buffer.from(payload), TOPIC, decodeStrictly);
const refused = (payload: string | Buffer) => {
  const envelope = open(payload);
  return envelope instanceof BadEnvelope ? [envelope.error.code, envelope.id] : envelope;
};
const id = fc.string({ minLength: 1, maxLength: 128 }).filter((text) => /^[ -~]+$/.test(text));
const data = fc
  .jsonValue({ maxDepth: 5 })
  .map((value) => JSON.parse(JSON.stringify(value)) as Json)
  .filter((value) => !/__proto__|\\u0000|\\ud[89a-f]/i.test(JSON.stringify(value)));

describe('An envelope', () => {
  it('gives the data and the id of what a client of Nest sends, whatever they are', () => {
    fc.assert(
      fc.property(data, id, (value, name) => {
        expect(open(JSON.stringify({ pattern: TOPIC, data: value, id: name }))).toEqual({ id: name, data: value });
      }),
    );
  });

  it('has no id where nothing but an event was emitted, and no data where none was given', () => {
    expect(open(`{"pattern":"${TOPIC}","data":1}`)).toEqual({ id: null, data: 1 });
    expect(open(`{"pattern":"${TOPIC}","id":"x"}`)).toEqual({ id: 'x', data: undefined });
  });

  it('never throws and answers under no id that it did not get, whatever the bytes are', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array().map((bytes) => Buffer.from(bytes)),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (payload) => {
          const envelope = openEnvelope(payload, TOPIC, decodeStrictly);
          if (envelope.id !== null) expect(payload.toString()).toContain('"id"');
        },
      ),
    );
  });

  it.each(['', 'null', '[]', '"text"', '7', 'no json', '\u0000', `[${'['.repeat(200_000)}`])(
    'is not what has no members: %.20s',
    (payload) => {
      expect(open(payload)).toBeInstanceOf(BadEnvelope);
    },
  );

  it.each(['7', 'null', '{}', '""', `"${'x'.repeat(129)}"`, '"a\\nb"'])(
    'cannot be answered under the id %.20s',
    (name) => {
      expect(refused(`{"pattern":"${TOPIC}","data":{},"id":${name}}`)).toEqual(['BAD_ENVELOPE', null]);
    },
  );

  it.each(['', '"pattern":"services/control/get",', '"pattern":{"cmd":"x"},'])(
    'must name the topic that it was published to: %s',
    (pattern) => {
      expect(refused(`{${pattern}"data":{},"id":"x"}`)).toEqual(['BAD_ENVELOPE', 'x']);
    },
  );

  it('takes nothing that an object inherits for a member', () => {
    const inherited = Object.create({ pattern: TOPIC, id: 'x' }) as Json;
    expect(openEnvelope(Buffer.from('{}'), TOPIC, () => inherited)).toBeInstanceOf(BadEnvelope);
  });

  it.each(['"\\u0000"', '"\\ud800"', '1e999', '{"__proto__": 1}'])(
    'is refused with %s in its data, with a pointer into the data, and its sender hears of it',
    (value) => {
      const envelope = open(`{"pattern":"${TOPIC}","data":{"params":${value}},"id":"x"}`) as BadEnvelope;
      expect([envelope.id, envelope.error.code]).toEqual(['x', 'BAD_JSON']);
      expect(envelope.error.options.errors![0]!.pointer).toMatch(/^\/params/);
    },
  );

  it('has at most 256 KiB', () => {
    const padding = (bytes: number) => {
      const text = `{"pattern":"${TOPIC}","data":""}`;
      return text.replace('""', `"${'x'.repeat(bytes - text.length)}"`);
    };
    expect(open(padding(MAX_REQUEST_BYTES))).toMatchObject({ id: null });
    expect(open(padding(MAX_REQUEST_BYTES))).not.toBeInstanceOf(BadEnvelope);
    expect(refused(padding(MAX_REQUEST_BYTES + 1))).toEqual(['BAD_ENVELOPE', null]);
  });
});
