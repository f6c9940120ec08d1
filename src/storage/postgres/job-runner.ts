import type pg from 'pg';
import { newId } from '../../common/ids.js';
import type { News, Statement, StatementResult } from '../database.js';
import { MARK_CONSTRAINT } from './appender.js';
import { Pool } from './pool.js';
import { constraintOf, toStorageError } from './postgres-fault.js';
import { type Patience, retry } from './retry.js';
import type { SessionOptions } from './session.js';

/** The channel of PostgreSQL that news goes out on; its payload is `<topic> <detail>`. */
export const NEWS_CHANNEL = 'signalbox_news';

/** Statements that are atomic together. */
export interface Job {
  readonly statements: readonly Statement[];
  readonly news: News | undefined;
}

/** Runs each job as one transaction, several at once, so that the server's own group commit helps. */
export class JobRunner {
  private readonly pool: Pool;

  constructor(url: string, options: SessionOptions, connections: number) {
    this.pool = new Pool(url, options, connections);
  }

  /**
   * Resolves after the commit. Where the answer to the COMMIT is lost, the job is sent again under the same mark, which the first
   * attempt left behind if it was committed. Rejects with the statement's own error or STORAGE_UNAVAILABLE.
   */
  async run(job: Job, patience: Patience): Promise<StatementResult[]> {
    const mark = newId();
    let inDoubt: StatementResult[] | null = null;
    const attempt = async (client: pg.PoolClient): Promise<StatementResult[]> => {
      const results = await execute(client, job, mark);
      inDoubt = results;
      await client.query('commit');
      return results;
    };
    try {
      return await retry(patience, () =>
        this.pool.run(attempt).catch((error: unknown) => {
          if (inDoubt && constraintOf(error) === MARK_CONSTRAINT) return inDoubt;
          throw error;
        }),
      );
    } catch (error) {
      throw toStorageError(error);
    }
  }

  close(): Promise<void> {
    return this.pool.close();
  }
}

/** Sends all in one go; where one statement fails, those behind it are refused by the server, and the first error counts. */
async function execute(client: pg.PoolClient, { statements, news }: Job, mark: string): Promise<StatementResult[]> {
  const opening = [
    client.query('begin'),
    client.query({ text: 'insert into commit_marks (id, base) values ($1, 0)', values: [mark] }),
  ];
  const queries = statements.map(({ sql, parameters }) => client.query<Record<string, unknown>>(sql, [...parameters]));
  const closing = news
    ? [client.query('select pg_notify($1, $2)', [NEWS_CHANNEL, `${news.topic} ${news.detail}`])]
    : [];
  const outcomes = await Promise.allSettled([...opening, ...queries, ...closing]);
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failure) throw failure.reason;
  return (await Promise.all(queries)).map(({ rows, rowCount, command }) => ({
    rows,
    changes: command === 'SELECT' ? 0 : (rowCount ?? 0),
  }));
}
