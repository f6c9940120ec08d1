import { Readable } from 'node:stream';
import { StreamableFile } from '@nestjs/common';

/**
 * A response that is the JSON array of all items of `pages`. What is more than one page is read as the client takes it, so that a
 * long list never is in memory as a whole. The first two pages are read before it returns: where that fails, it rejects and the
 * client gets a proper error.
 */
export async function arrayOf(pages: AsyncIterable<readonly unknown[]>): Promise<readonly unknown[] | StreamableFile> {
  const reading = pages[Symbol.asyncIterator]();
  const first = await reading.next();
  if (first.done) return [];
  const second = await reading.next();
  // Nest keeps what it needs to end a stream with its connection, until that ends: too much for a short list (decision 24).
  if (second.done) return first.value;
  const bytes = (async function* () {
    const all = (async function* () {
      try {
        yield first.value;
        yield second.value;
        yield* { [Symbol.asyncIterator]: () => reading };
      } finally {
        await reading.return?.();
      }
    })();
    for await (const piece of jsonArray(all)) yield Buffer.from(piece);
  })();
  // Not in object mode, where 16 pages would wait for a client that does not read.
  const stream = Readable.from(bytes, { objectMode: false });
  return new StreamableFile(stream, { type: 'application/json; charset=utf-8' });
}

/** The JSON text of an array, piece by piece. */
export async function* jsonArray(pages: AsyncIterable<readonly unknown[]>): AsyncGenerator<string> {
  let opening = '[';
  for await (const page of pages) {
    if (page.length === 0) continue;
    yield opening + page.map((item) => JSON.stringify(item)).join(',');
    opening = ',';
  }
  yield opening === '[' ? '[]' : ']';
}
