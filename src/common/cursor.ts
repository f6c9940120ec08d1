import { createHash } from 'node:crypto';
import { defineErrors } from './errors.js';

/** Errors of cursors in lists. */
const CursorErrors = defineErrors({
  BAD_CURSOR: { status: 400, title: 'This is not a cursor' },
  CURSOR_MISMATCH: { status: 400, title: 'The cursor belongs to another query' },
});

/** The place in a list after which the next page begins: the key of the last item that was shown. */
export type CursorKey = readonly (string | number)[];

/** What a cursor is bound to: the name of the list and its filters. Undefined members count as absent. */
export type CursorScope = Readonly<Record<string, unknown>>;

/** One page of a list, as every list of the API answers it. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | null;
  readonly hasMore: boolean;
}

/** An opaque cursor (base64url) for the page after `key` of the list that `scope` names. */
export function encodeCursor(key: CursorKey, scope: CursorScope): string {
  const bound = digest(scope);
  return Buffer.from(JSON.stringify([key, bound, digest([key, bound])])).toString('base64url');
}

/**
 * The key in a cursor of {@link encodeCursor}. Throws BAD_CURSOR for any other text, and CURSOR_MISMATCH where the cursor is
 * from a list with another scope. The check finds accidents and curiosity; a key gives access to nothing, so it is no secret.
 */
export function decodeCursor(cursor: string, scope: CursorScope): CursorKey {
  const content = parse(cursor);
  if (content === null) {
    const detail = 'The cursor is not one that was given out here. Begin again without it.';
    throw CursorErrors.BAD_CURSOR(detail, { errors: [{ parameter: 'cursor', detail, code: 'BAD_CURSOR' }] });
  }
  if (content.bound !== digest(scope)) {
    const detail = 'The cursor belongs to a query with other filters. Keep the filters, or begin again without it.';
    throw CursorErrors.CURSOR_MISMATCH(detail, { errors: [{ parameter: 'cursor', detail, code: 'CURSOR_MISMATCH' }] });
  }
  return content.key;
}

/**
 * Makes a page of rows that were read with one more than `limit`, so that `hasMore` is known without a count.
 * `keyOf` gives the key that the list is sorted by.
 */
export function pageOf<Row, T>(
  rows: readonly Row[],
  limit: number,
  scope: CursorScope,
  keyOf: (row: Row) => CursorKey,
  show: (row: Row) => T,
): Page<T> {
  const shown = rows.slice(0, limit);
  const hasMore = rows.length > limit;
  return {
    items: shown.map(show),
    nextCursor: hasMore ? encodeCursor(keyOf(shown.at(-1)!), scope) : null,
    hasMore,
  };
}

/** The value of a Link header (RFC 8288) to the next page of the request `url` (path and query), or null on the last page. */
export function nextLink(url: string, { nextCursor }: Pick<Page<unknown>, 'nextCursor'>): string | null {
  if (nextCursor === null) return null;
  const [path, query = ''] = url.split('?', 2) as [string, string?];
  const parameters = new URLSearchParams(query);
  parameters.set('cursor', nextCursor);
  return `<${path}?${parameters.toString()}>; rel="next"`;
}

function parse(cursor: string): { readonly key: CursorKey; readonly bound: string } | null {
  const bytes = Buffer.from(cursor, 'base64url');
  // Other spellings of the same bytes are not ours either.
  if (bytes.toString('base64url') !== cursor) return null;
  let content: unknown;
  try {
    content = JSON.parse(bytes.toString('utf8'));
  } catch {
    return null;
  }
  if (!Array.isArray(content) || content.length !== 3) return null;
  const [key, bound, check] = content as unknown[];
  if (!Array.isArray(key) || !key.every((part) => typeof part === 'string' || Number.isFinite(part))) return null;
  return typeof bound === 'string' && check === digest([key, bound]) ? { key: key as CursorKey, bound } : null;
}

function digest(content: unknown): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('base64url').slice(0, 12);
}
