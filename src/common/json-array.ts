import { Readable } from 'node:stream';
import { StreamableFile } from '@nestjs/common';

/**
 * A response that is the JSON array of all items of `pages`, read as the client takes them, so that a long list never is in
 * memory as a whole. The first page is read before it returns: where that fails, it rejects and the client gets a proper error.
 */
export async function streamedArray(pages: AsyncIterable<readonly unknown[]>): Promise<StreamableFile> {
  const text = jsonArray(pages);
  const first = await text.next();
  const bytes = (async function* () {
    if (!first.done) yield Buffer.from(first.value);
    for await (const piece of text) yield Buffer.from(piece);
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
