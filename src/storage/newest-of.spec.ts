import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { newestOf } from './newest-of.js';

/** A table whose row `i` belongs to the part where `part[i]`; the newest is the last. Counts the rows that are looked at. */
function table(part: readonly boolean[], wanted: number) {
  const newest = [...part.keys()].filter((i) => part[i]).toReversed();
  let looked = 0;
  return {
    newest: newest.slice(0, wanted),
    size: newest.length,
    looked: () => looked,
    rows: {
      among: async (most: number) => {
        const found = newest.filter((i) => i >= part.length - most).slice(0, wanted);
        looked += Math.min(found.length === wanted ? part.length - found.at(-1)! : most, part.length);
        return found;
      },
      hasMoreThan: async (most: number) => {
        looked += Math.min(most + 1, newest.length);
        return newest.length > most;
      },
      all: async () => {
        looked += newest.length;
        return newest.slice(0, wanted);
      },
    },
  };
}

describe('newestOf', () => {
  it('gives the newest rows of the part, or all it has', async () => {
    const runs = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 6_000 })), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(runs, fc.integer({ min: 1, max: 3_000 }), async (lengths, wanted) => {
        const part = lengths.flatMap(([belongs, length]) => Array<boolean>(length).fill(belongs));
        const { rows, newest } = table(part, wanted);
        expect(await newestOf(wanted, rows)).toEqual(newest);
      }),
    );
  });

  const size = 1_000_000;
  it.each([
    ['a small part', (i: number) => i % 1_000 === 0, 20],
    ['a large part', (i: number) => i % 3 === 0, 20],
    ['a part that was large once', (i: number) => i < 300_000, 20],
    ['nothing at all', () => false, 20],
    ['a page that is longer than the part', (i: number) => i % 500 === 0, 10_000],
  ])('looks at few rows more than it must: %s', async (_, belongs, wanted) => {
    const part = Array.from({ length: size }, (__, i) => belongs(i));
    const one = table(part, wanted);
    await newestOf(wanted, one.rows);
    const oldest = one.newest.length === wanted ? size - one.newest.at(-1)! : size;
    const best = Math.min(oldest, one.size);
    expect(one.looked()).toBeLessThan(4 * best + 4 * (2_000 + wanted) + 4 * best);
  });
});
