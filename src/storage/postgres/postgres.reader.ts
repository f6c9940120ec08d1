import { type CompiledQuery, Kysely, type QueryResult } from 'kysely';
import pg from 'pg';
import { monotonicMs } from '../monotonic.js';
import { ExecuteDialect, refuseWrite } from '../execute.dialect.js';
import type { Schema } from '../schema.js';
import { StorageErrors, unavailable } from '../storage.errors.js';
import { Pool } from './pool.js';
import { POSTGRES_DIALECT } from './postgres.dialect.js';
import { toStorageError } from './postgres-fault.js';
import { retry } from './retry.js';

const MOST_WAITING = 10_000;
/** For so long a query that failed with its connection is asked again. */
const PATIENCE_MS = 1_000;
/** Most characters and bytes that one result may hold, so that no question can exhaust the memory. */
const MOST_RESULT_SIZE = 32 * 1024 * 1024;

/** Queries on a small pool of connections that cannot write. */
export class PostgresReader {
  readonly kysely = new Kysely<Schema>({
    dialect: new ExecuteDialect(POSTGRES_DIALECT, (query) => this.execute(query)),
  });
  private readonly pool: Pool;
  private readonly stop = new AbortController();
  private waiting = 0;

  constructor(url: string, purpose: string, timeoutMs: number, connections: number) {
    const session = { purpose, readOnly: true, statementTimeoutMs: timeoutMs, lockTimeoutMs: timeoutMs };
    this.pool = new Pool(url, session, connections);
  }

  /** Refuses what comes from now on. */
  async close(): Promise<void> {
    this.stop.abort();
    await this.pool.close();
  }

  private async execute(query: CompiledQuery): Promise<QueryResult<unknown>> {
    refuseWrite(query);
    if (this.stop.signal.aborted) throw unavailable('the database was closed');
    if (this.waiting >= MOST_WAITING) throw unavailable('too many queries are waiting for the database');
    this.waiting++;
    try {
      const patience = { until: monotonicMs() + PATIENCE_MS, stop: this.stop.signal };
      return { rows: await retry(patience, () => this.pool.run((client) => read(client, query))) };
    } catch (error) {
      throw toStorageError(error);
    } finally {
      this.waiting--;
    }
  }
}

/** Counts the rows as they come; a connection that still sends more of a result that is too large is given up. */
function read(client: pg.PoolClient, { sql, parameters }: CompiledQuery): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    // Extended: several statements in one text are refused by the server.
    const config = { text: sql, values: [...parameters], queryMode: 'extended' };
    const query = new pg.Query(config, (error, result) => {
      if (error) reject(error);
      else resolve(result.rows as unknown[]);
    });
    let size = 0;
    query.on('row', (row: Record<string, unknown>) => {
      for (const value of Object.values(row)) {
        size += typeof value === 'string' || value instanceof Uint8Array ? value.length : 8;
      }
      if (size <= MOST_RESULT_SIZE) return;
      reject(StorageErrors.RESULT_TOO_LARGE(`the result is larger than ${MOST_RESULT_SIZE / 1024 / 1024} MiB`));
    });
    client.query(query);
  });
}
