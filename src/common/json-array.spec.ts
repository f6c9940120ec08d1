import { describe, expect, it } from '@jest/globals';
import { StreamableFile } from '@nestjs/common';
import * as fc from 'fast-check';
import { arrayOf, jsonArray } from './json-array.js';

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

describe('A response that is an array', () => {
  const read = async (answer: Awaited<ReturnType<typeof arrayOf>>): Promise<unknown> => {
    if (!(answer instanceof StreamableFile)) return answer;
    let text = '';
    for await (const piece of answer.getStream()) text += String(piece);
    return JSON.parse(text);
  };

  it('is a stream where it has more than one page, and has all items in any case', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(fc.integer())), async (pages) => {
        const answer = await arrayOf(of(pages));
        expect(answer instanceof StreamableFile).toBe(pages.length > 1);
        expect(await read(answer)).toEqual(pages.flat());
      }),
    );
  });

  it('fails before it begins where its first page cannot be read, or its second', async () => {
    const failing = async function* (good: number): AsyncGenerator<readonly number[]> {
      for (let page = 0; page < good; page++) yield [page];
      throw new Error('the database is away');
    };
    await expect(arrayOf(failing(0))).rejects.toThrow('away');
    await expect(arrayOf(failing(1))).rejects.toThrow('away');
    await expect(read(await arrayOf(failing(2)))).rejects.toThrow('away');
  });

  it('ends its pages where nobody reads on', async () => {
    let isOver = false;
    const endless = async function* (): AsyncGenerator<readonly number[]> {
      try {
        for (;;) yield [1];
      } finally {
        isOver = true;
      }
    };
    const answer = (await arrayOf(endless())) as StreamableFile;
    for await (const _ of answer.getStream()) break;
    await new Promise(setImmediate);
    expect(isOver).toBe(true);
  });
});
