/** A stored item that can be read later: its key, and its size in bytes or characters. */
export interface Place<K = number> {
  readonly key: K;
  readonly size: number;
}

const MAX_PAGE_SIZE = 1_048_576;
const MAX_PAGE_ITEMS = 500;

/** The keys in order, in pages that hold at most 1 MiB and 500 items together; a larger item is a page by itself. */
export function* pagesBySize<K>(places: readonly Place<K>[]): Generator<readonly K[]> {
  let page: K[] = [];
  let size = 0;
  for (const place of places) {
    if (page.length > 0 && (size + place.size > MAX_PAGE_SIZE || page.length === MAX_PAGE_ITEMS)) {
      yield page;
      page = [];
      size = 0;
    }
    page.push(place.key);
    size += place.size;
  }
  if (page.length > 0) yield page;
}
