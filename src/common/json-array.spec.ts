import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { jsonArray } from './json-array.js';

async function* of<T>(pages: readonly T[]): AsyncGenerator<T> {
  yield* pages;
}

describe('a JSON array in pieces', () => {
  it('is the array of all items, however they are paged', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(fc.jsonValue())), async (pages) => {
        let text = '';
        for await (const piece of jsonArray(of(pages))) text += piece;
        expect(text).toBe(JSON.stringify(pages.flat()));
      }),
    );
  });
});
