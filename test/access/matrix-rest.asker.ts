import http from 'node:http';
import { sql } from 'kysely';
import type { TestApp } from '../support/app.js';

/** A request as it goes over the wire. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body?: object | string;
  readonly headers: Readonly<Record<string, string>>;
}

interface Told {
  readonly status: number;
  readonly text: string;
}

/** Sends requests with their paths as they are, which `fetch` would tidy up. */
export class Asker {
  private readonly agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  private readonly url: URL;

  constructor(url: string) {
    this.url = new URL(url);
  }

  /** Resolves with the status. */
  async ask(asked: Asked, authorization: string | undefined): Promise<number> {
    return (await this.answer(asked, authorization)).status;
  }

  /** Resolves with the status and the body. */
  answer({ method, path, body, headers }: Asked, authorization: string | undefined): Promise<Told> {
    const text = body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body);
    const { hostname, port } = this.url;
    return new Promise((resolve, reject) => {
      const request = http.request(
        {
          agent: this.agent,
          hostname,
          port,
          method,
          path,
          headers: {
            ...(text === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
            ...headers,
            ...(authorization === undefined ? {} : { authorization }),
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => resolve({ status: response.statusCode!, text: Buffer.concat(chunks).toString() }));
        },
      );
      request.on('error', reject);
      request.end(text);
    });
  }

  end(): void {
    this.agent.destroy();
  }
}

/** The same request in other clothes. */
export const VARIANTS: Readonly<Record<string, (asked: Asked) => Asked | null>> = {
  HEAD: ({ method, path, headers }) => (method === 'GET' ? { method: 'HEAD', path, headers } : null),
  'a slash at its end': (asked) => changed(asked, (path) => `${path}/`),
  'a second slash': (asked) => changed(asked, (path) => path.replace('/', '//')),
  'a dot segment': (asked) => changed(asked, (path) => `/.${path}`),
  'a way through another path': (asked) => changed(asked, (path) => `/livez/..${path}`),
  'encoded letters': (asked) =>
    changed(asked, (path) => path.replaceAll(/\/([a-z])/g, (_, letter: string) => `/%${hex(letter)}`)),
  'twice encoded letters': (asked) =>
    changed(asked, (path) => path.replaceAll(/\/([a-z])/g, (_, letter: string) => `/%25${hex(letter)}`)),
  'encoded slashes': (asked) => changed(asked, (path) => `/${path.slice(1).replaceAll('/', '%2f')}`),
  'capital letters': (asked) => changed(asked, (path) => path.toUpperCase()),
  'a semicolon': (asked) => changed(asked, (path) => `${path};x=1`),
  'a parameter that means nothing': (asked) => ({
    ...asked,
    path: `${asked.path}${asked.path.includes('?') ? '&' : '?'}matrix=1`,
  }),
};

/** More ways to write a path, none of which is a way in. */
export const SPELLINGS: Readonly<Record<string, (asked: Asked) => Asked | null>> = {
  'a way through a path that is none': (asked) => changed(asked, (path) => `/x/..${path}`),
  'an encoded way up': (asked) => changed(asked, (path) => `/%2e%2e${path}`),
  'an encoded first letter': (asked) =>
    changed(asked, (path) => path.replace(/^\/(.)/, (_, letter: string) => `/%${hex(letter)}`)),
  'an encoded last letter': (asked) => changed(asked, (path) => path.replace(/(.)$/, (letter) => `%${hex(letter)}`)),
  backslashes: (asked) => changed(asked, (path) => `/${path.slice(1).replaceAll('/', '\\')}`),
  'a fragment': (asked) => changed(asked, (path) => `${path}#x`),
  'a NUL': (asked) => changed(asked, (path) => `${path}%00`),
  'a blank': (asked) => changed(asked, (path) => `${path}%20`),
  'the ending of a file': (asked) => changed(asked, (path) => `${path}.json`),
};

const hex = (letter: string) => letter.charCodeAt(0).toString(16);

/** With another path before the query; null where that changes nothing. */
function changed(asked: Asked, change: (path: string) => string): Asked | null {
  const [path, ...query] = asked.path.split('?');
  const other = [change(path!), ...query].join('?');
  return other === asked.path ? null : { ...asked, path: other };
}

/** What Signalbox does to open commands by itself. */
const OWN_DOING = 'status rank attempts due_at next_attempt_at last_attempt_at deadline_at version history'.split(' ');
/** What it agrees with its like by, and with its database. */
const OWN_TABLES = new Set(['leases', 'commit_marks']);

/** All rows of all tables, but for what changes without a request. */
export async function rowsOf({ database }: TestApp): Promise<Record<string, readonly string[]>> {
  const names =
    database.capabilities.kind === 'sqlite'
      ? sql<{ name: string }>`select name from sqlite_master where type = 'table' and name not like 'sqlite%'`
      : sql<{ name: string }>`select table_name as name from information_schema.tables where table_schema = 'public'`;
  const all: Record<string, readonly string[]> = {};
  for (const { name } of (await names.execute(database.scan)).rows) {
    if (OWN_TABLES.has(name)) continue;
    const { rows } = await sql<Record<string, unknown>>`select * from ${sql.table(name)}`.execute(database.scan);
    const ignored = name === 'commands' ? OWN_DOING : [];
    const kept = (row: Record<string, unknown>) => Object.entries(row).filter(([column]) => !ignored.includes(column));
    all[name] = rows.map((row) => JSON.stringify(kept(row))).toSorted();
  }
  return all;
}
