import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { splitRows } from './split-rows.js';

describe('the rows of an append', () => {
  it('are split into parts of at most 2 Mi characters, or of one row, in order', () => {
    const size = fc.oneof(fc.integer({ min: 0, max: 1_000 }), fc.integer({ min: 0, max: 5 * 1024 * 1024 }));
    fc.assert(
      fc.property(fc.array(size), (sizes) => {
        const parts = splitRows(sizes, 1_000, (row) => row);
        expect(parts.flat()).toEqual(sizes);
        for (const part of parts) {
          expect(part.length === 1 || part.reduce((sum, row) => sum + row, 0) <= 2 * 1024 * 1024).toBe(true);
          expect(part.length).toBeGreaterThan(0);
        }
      }),
    );
  });
});
