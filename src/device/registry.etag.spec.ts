import { describe, expect, it } from '@jest/globals';
import { allowsChange, hasAlready } from '../common/entity-tag.js';
import { etagOf } from './registry.etag.js';

const etag = etagOf({ createdAt: 1_800_000_000_000, version: 7 });

describe('The entity tag of a device', () => {
  it('is another for another version, and for another device of the same id', () => {
    const tags = [
      etag,
      etagOf({ createdAt: 1_800_000_000_000, version: 8 }),
      etagOf({ createdAt: 1_800_000_000_001, version: 7 }),
    ];
    expect(new Set(tags).size).toBe(3);
    for (const tag of tags) expect(tag).toMatch(/^"[0-9a-z]+-\d+"$/);
  });

  it.each<[string | undefined, boolean, boolean]>([
    [undefined, true, false],
    ['*', true, true],
    [etag, true, true],
    [` ${etag} `, true, true],
    [`"a", ${etag},"b"`, true, true],
    [`W/${etag}`, false, true],
    ['"a"', false, false],
    [etag.slice(1, -1), false, false],
    [`w/${etag}`, false, false],
    [`"a", *`, false, false],
    ['', false, false],
    [',', false, false],
    [`${etag}x`, false, false],
  ])('against %s: a change is allowed %s, it is there already %s', (header, allowed, there) => {
    expect(allowsChange(header, etag)).toBe(allowed);
    expect(hasAlready(header, etag)).toBe(there);
  });
});
