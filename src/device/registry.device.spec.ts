import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Json } from '../common/json.js';
import { MOST_TAGS } from '../common/tags.js';
import { type DevicePatch, isSame, patched, type RegistryEntry } from './registry.device.js';

const entry = (fields: Partial<RegistryEntry> = {}): RegistryEntry => ({
  id: 'd',
  name: null,
  type: null,
  tags: {},
  link: 'native',
  enabled: true,
  approved: true,
  createdAt: 1,
  version: 1,
  ...fields,
});

/** RFC 7396, section 2, word for word. */
function mergePatch(target: Json | undefined, patch: Json): Json {
  if (patch === null || typeof patch !== 'object' || Array.isArray(patch)) return patch;
  const merged: Record<string, Json> =
    target !== null && typeof target === 'object' && !Array.isArray(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else merged[name] = mergePatch(merged[name], value);
  }
  return merged;
}

const key = fc.constantFrom('a', 'b', 'c', 'constructor', 'toString', '__x');
const value = fc.constantFrom('1', '2', 'x y');
const tags = fc.dictionary(key, value);
const absent = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const patches = fc.record({
  name: absent(fc.option(value)),
  type: absent(fc.option(value)),
  tags: absent(fc.option(fc.dictionary(key, fc.option(value)))),
  enabled: absent(fc.boolean()),
  link: absent(fc.constantFrom('native' as const, 'foreign' as const)),
});
const devices = fc
  .record({ name: fc.option(value), type: fc.option(value), tags, enabled: fc.boolean() })
  .map((fields) => entry(fields));
const withoutUndefined = (patch: object) =>
  Object.fromEntries(Object.entries(patch).filter(([, field]) => field !== undefined)) as DevicePatch &
    Record<string, Json>;

describe('A patch of a device', () => {
  it('does what RFC 7396 does to the document, where what is removed is null or empty', () => {
    fc.assert(
      fc.property(devices, patches, (device, given) => {
        const patch = withoutUndefined(given);
        const { name, type, tags: own, enabled, link } = device;
        const document = { tags: own, enabled, link, ...(name && { name }), ...(type && { type }) };
        const expected: Partial<RegistryEntry> = mergePatch(document, patch) as object;
        expect(patched(device, patch)).toEqual({
          ...device,
          name: null,
          type: null,
          ...expected,
          tags: { ...expected.tags },
        });
      }),
    );
  });

  it('made twice does what it does once, and leaves the device that it was made from', () => {
    fc.assert(
      fc.property(devices, patches, (device, given) => {
        const patch = withoutUndefined(given);
        const copy = structuredClone(device);
        const once = patched(device, patch);
        expect(isSame(patched(once, patch), once)).toBe(true);
        expect(device).toEqual(copy);
        expect(isSame(device, device)).toBe(true);
      }),
    );
  });

  it('is refused where too many tags would come of it, and only then', () => {
    const full = Object.fromEntries(Array.from({ length: MOST_TAGS }, (_, i) => [`k${i}`, 'v']));
    expect(patched(entry({ tags: full }), { tags: { k0: 'other' } }).tags['k0']).toBe('other');
    expect(() => patched(entry({ tags: full }), { tags: { more: 'v' } })).toThrow('more than 32 tags');
    expect(Object.keys(patched(entry({ tags: full }), { tags: { more: 'v', k0: null } }).tags)).toHaveLength(MOST_TAGS);
  });

  it('is told from no change by every field', () => {
    const device = entry({ name: 'n', tags: { a: '1' } });
    const others: DevicePatch[] = [
      { name: 'm' },
      { type: 't' },
      { enabled: false },
      { link: 'foreign' },
      { tags: { a: '2' } },
      { tags: { a: null } },
      { tags: { constructor: 'x' } },
    ];
    for (const patch of others) expect(isSame(patched(device, patch), device)).toBe(false);
  });
});
