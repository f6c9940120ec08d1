import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { pagesBySize } from './page-by-size.js';

describe('pagesBySize', () => {
  it('keeps every key once and in order, and no page above the bounds unless it is a single item', () => {
    const places = fc.array(fc.record({ key: fc.nat(), size: fc.nat({ max: 600_000 }) }), { maxLength: 2_000 });
    fc.assert(
      fc.property(places, (list) => {
        const pages = [...pagesBySize(list)];
        expect(pages.flat()).toEqual(list.map(({ key }) => key));
        let at = 0;
        for (const page of pages) {
          const size = list.slice(at, (at += page.length)).reduce((sum, place) => sum + place.size, 0);
          expect(page.length).toBeGreaterThan(0);
          expect(page.length === 1 || (size <= 1_048_576 && page.length <= 500)).toBe(true);
        }
      }),
    );
  });
});
