import type Sqlite from 'better-sqlite3';
import { openForReading } from './open-file.js';
import { type QueryReply, type Rows, TOO_LARGE, type WireStatement, type WorkerSettings } from './protocol.js';
import { isDatabaseFault, wireError } from './sqlite-fault.js';
import { StatementCache } from './statement-cache.js';

/** Most characters and bytes that one result may hold, so that no question can exhaust the memory. */
const MOST_RESULT_SIZE = 32 * 1024 * 1024;

interface Session {
  readonly db: Sqlite.Database;
  readonly statements: StatementCache;
}

/** Runs queries, each on the newest commit. Opens the file when first asked, and afresh after the database failed. */
export class Reader {
  private session: Session | null = null;

  constructor(private readonly settings: WorkerSettings) {}

  run(query: WireStatement): QueryReply {
    try {
      const rows = this.query(query);
      if (rows) return { ok: true, rows };
      const message = `the result is larger than ${MOST_RESULT_SIZE / 1024 / 1024} MiB`;
      return { ok: false, error: { unavailable: false, code: TOO_LARGE, message } };
    } catch (error) {
      const isFault = isDatabaseFault(error);
      if (isFault) this.close();
      return { ok: false, error: wireError(error, isFault) };
    }
  }

  close(): void {
    this.session?.db.close();
    this.session = null;
  }

  /** Null where the result is too large. */
  private query({ sql, parameters }: WireStatement): Rows | null {
    this.session ??= this.open();
    const statement = this.session.statements.prepare(sql);
    if (!statement.readonly || !statement.reader) throw new Error('only queries may be sent to a reader');
    const values: unknown[] = [];
    let size = 0;
    for (const row of statement.raw(true).iterate(...parameters) as IterableIterator<unknown[]>) {
      for (const value of row) {
        size += typeof value === 'string' ? value.length : value instanceof Uint8Array ? value.byteLength : 8;
        values.push(value);
      }
      if (size > MOST_RESULT_SIZE) return null;
    }
    return { columns: statement.columns().map(({ name }) => name), values };
  }

  private open(): Session {
    const db = openForReading(this.settings.dataDir);
    return { db, statements: new StatementCache(db) };
  }
}
