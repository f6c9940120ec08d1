import { reasonOf, RefusedError, refusalOf, UnreachableError } from './service-error.js';

/** A service that says nothing for so long is away. */
const SILENCE_MS = 30_000;
const PAGE = 1_000;

const EXIT = { done: 0, failed: 1, unavailable: 69 } as const;

/** The REST API of a running service, one request after the other. */
export class Service {
  constructor(
    private readonly url: string,
    private readonly headers: Readonly<Record<string, string>>,
  ) {}

  /** The parsed answer; undefined where it has no body. Throws RefusedError, UnreachableError. */
  async call<T>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<T> {
    let response: Response;
    let text: string;
    try {
      response = await fetch(this.url + path, {
        method,
        headers: { ...this.headers, ...(body && { 'content-type': 'application/json' }) },
        ...(body && { body: JSON.stringify(body) }),
        redirect: 'manual',
        signal: AbortSignal.timeout(SILENCE_MS),
      });
      text = await response.text();
    } catch (error) {
      throw new UnreachableError(reasonOf(error));
    }
    if (!response.ok) throw refusalOf(response.status, text);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  /** All items of a list, page after page. Throws as {@link call}. */
  async *all<T>(path: string, query: URLSearchParams): AsyncGenerator<T> {
    query.set('limit', String(PAGE));
    for (;;) {
      const page = await this.call<{ readonly items: readonly T[]; readonly nextCursor: string | null }>(
        'GET',
        `${path}?${query.toString()}`,
      );
      yield* page.items;
      if (page.nextCursor === null) return;
      query.set('cursor', page.nextCursor);
    }
  }
}

/**
 * Does something with the service, and says on standard error why it could not. Returns the exit code: 0 done, 1 the service
 * refused, 69 it never answered.
 */
export async function exitCodeOf(url: string, work: () => Promise<void>): Promise<number> {
  try {
    await work();
    return EXIT.done;
  } catch (error) {
    if (error instanceof UnreachableError) {
      process.stderr.write(
        `Nothing answered at ${url} (${error.message}). Is Signalbox running? Start it with: npm start.\n`,
      );
      return EXIT.unavailable;
    }
    if (!(error instanceof RefusedError)) throw error;
    const hint =
      error.code === 'UNAUTHORIZED'
        ? '\nSet SIGNALBOX_KEY, or name a file with --key-file, such as data/admin.key.'
        : '';
    process.stderr.write(`${error.code}: ${error.message}${hint}\n`);
    return EXIT.failed;
  }
}

/** A table with columns as wide as they must be. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i]!))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** What others named is shown without the characters that a terminal would obey. */
export function harmless(text: string): string {
  return text.replaceAll(/\p{C}/gu, '?');
}
