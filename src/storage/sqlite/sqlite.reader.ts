import { type CompiledQuery, Kysely, type QueryResult } from 'kysely';
import { ExecuteDialect, refuseWrite } from '../execute.dialect.js';
import type { Schema } from '../schema.js';
import { StatementError, StorageErrors, unavailable } from '../storage.errors.js';
import { type QueryReply, type Rows, TOO_LARGE, type WireStatement, type WorkerSettings } from './protocol.js';
import { SQLITE_DIALECT } from './sqlite.dialect.js';
import { WorkerLink } from './worker-link.js';
import { workerUrl } from './worker-url.js';

const MOST_WAITING = 10_000;
const DEADLINE_MS = 30_000;
const HEAP_MB = 192;

/** Queries in a thread of their own. */
export class SqliteReader {
  readonly kysely: Kysely<Schema>;
  private readonly link: WorkerLink<WireStatement, QueryReply>;
  private waiting = 0;

  constructor(name: string, settings: WorkerSettings) {
    this.link = new WorkerLink({ name, url: workerUrl('reader'), settings, heapMb: HEAP_MB });
    this.kysely = new Kysely<Schema>({ dialect: new ExecuteDialect(SQLITE_DIALECT, (query) => this.execute(query)) });
  }

  start(): Promise<void> {
    return this.link.start();
  }

  stop(): Promise<void> {
    return this.link.stop();
  }

  private async execute(query: CompiledQuery): Promise<QueryResult<unknown>> {
    refuseWrite(query);
    if (this.waiting >= MOST_WAITING) throw unavailable('too many queries are waiting for the database');
    this.waiting++;
    try {
      const reply = await inTime(this.link.ask({ sql: query.sql, parameters: query.parameters }));
      if (reply.ok) return { rows: toObjects(reply.rows) };
      const { code, message } = reply.error;
      if (reply.error.unavailable) throw unavailable(`the database could not be read: ${message}`);
      if (code === TOO_LARGE) throw StorageErrors.RESULT_TOO_LARGE(message);
      throw new StatementError(code, message);
    } finally {
      this.waiting--;
    }
  }
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(unavailable(`the database did not answer in ${DEADLINE_MS} ms`)), DEADLINE_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

function toObjects({ columns, values }: Rows): Record<string, unknown>[] {
  const rows: Record<string, unknown>[] = [];
  for (let at = 0; at < values.length; at += columns.length) {
    const row: Record<string, unknown> = {};
    for (const [i, column] of columns.entries()) row[column] = values[at + i];
    rows.push(row);
  }
  return rows;
}
