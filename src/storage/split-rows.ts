/** Characters of content that one entry may hold unless it is a single row, so that no append can exhaust the memory of who writes it. */
const MOST_ENTRY_SIZE = 2 * 1024 * 1024;

/** The rows in order, in parts of at most `mostRows` that are small enough for one entry each. No rows make no part. */
export function splitRows<Row>(
  rows: readonly Row[],
  mostRows: number,
  sizeOf: (row: Row) => number,
): (readonly Row[])[] {
  const parts: (readonly Row[])[] = [];
  let start = 0;
  let size = 0;
  for (let i = 0; i < rows.length; i++) {
    size += sizeOf(rows[i]!);
    if (i === start || (size <= MOST_ENTRY_SIZE && i - start < mostRows)) continue;
    parts.push(rows.slice(start, i));
    start = i;
    size = sizeOf(rows[i]!);
  }
  if (start < rows.length) parts.push(start === 0 ? rows : rows.slice(start));
  return parts;
}
