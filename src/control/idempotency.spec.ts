import { describe, expect, it } from '@jest/globals';
import { ANYONE } from '../common/access.js';
import { COMMAND_DEFAULTS } from './command.js';
import { contentOf, fingerprintOf, IDEMPOTENCY_KEY, serviceKey } from './idempotency.js';

const RANDOM = 'tcx1v0q9m3b7z5k2j8h4f';

describe('The key of a request', () => {
  it('is the given one, whatever the request is', () => {
    expect(serviceKey('k', { caller: ANYONE, id: RANDOM, mayRepeat: true }, {})).toMatchObject({
      caller: 'services:anyone',
      key: 'k',
    });
    expect(serviceKey('k', { caller: ANYONE, id: null, mayRepeat: false }, {})).toMatchObject({
      caller: 'services:anyone',
      key: 'k',
    });
  });

  it('is made of the random id and the body where a broker may deliver it again, apart from the given ones', () => {
    const request = { caller: ANYONE, id: RANDOM, mayRepeat: true };
    const key = serviceKey(undefined, request, { a: 1 })!;
    expect(key).toEqual(serviceKey(undefined, request, { a: 1 }));
    expect(key.caller).not.toBe('services');
    expect(key).not.toEqual(serviceKey(undefined, request, { a: 2 }));
  });

  it('is none where nothing can come twice, or the id is a counter that comes again for something else', () => {
    expect(serviceKey(undefined, { caller: ANYONE, id: RANDOM, mayRepeat: false }, {})).toBeNull();
    expect(serviceKey(undefined, { caller: ANYONE, id: null, mayRepeat: true }, {})).toBeNull();
    expect(serviceKey(undefined, { caller: ANYONE, id: '17', mayRepeat: true }, {})).toBeNull();
  });

  it('has 1 to 255 printable characters', () => {
    for (const key of ['a', 'é ü', 'x'.repeat(255)]) expect(key).toMatch(IDEMPOTENCY_KEY);
    for (const key of ['', 'x'.repeat(256), 'a\nb', '\u0000', '\ud800']) expect(key).not.toMatch(IDEMPOTENCY_KEY);
  });
});

describe('The content of a request of a service', () => {
  const asked = { ...COMMAND_DEFAULTS, deviceId: 'pump', type: 'STOP' };

  it('is what it was before there were options, where none differs from its default', () => {
    expect(contentOf(asked)).toEqual({ deviceId: 'pump', type: 'STOP', params: {} });
  });

  it('has the options that differ', () => {
    const content = { deviceId: 'pump', type: 'STOP', params: { a: 1 }, ttlMs: 5_000, metadata: { who: 'me' } };
    expect(contentOf({ ...asked, ...content })).toEqual(content);
  });
});

describe('The fingerprint of a request', () => {
  it('is equal for equal content in any order of keys, and only then', () => {
    expect(fingerprintOf({ a: 1, b: { c: [1, 2], d: null } })).toBe(fingerprintOf({ b: { d: null, c: [1, 2] }, a: 1 }));
    expect(fingerprintOf({ a: [1, 2] })).not.toBe(fingerprintOf({ a: [2, 1] }));
    expect(fingerprintOf({ a: 1 })).not.toBe(fingerprintOf({ a: '1' }));
  });
});
