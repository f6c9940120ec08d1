import {
  type CompiledQuery,
  type DatabaseConnection,
  type DatabaseIntrospector,
  type Dialect,
  type DialectAdapter,
  type Driver,
  type Kysely,
  type QueryCompiler,
  type QueryResult,
} from 'kysely';

/** Runs one compiled query elsewhere. */
export type Execute = (query: CompiledQuery) => Promise<QueryResult<unknown>>;

/** What a dialect of SQL consists of besides its driver. */
export type DialectParts = Omit<Dialect, 'createDriver'>;

/** A Kysely dialect that compiles with `parts` and hands every query to `execute`. It has no transactions and no streams. */
export class ExecuteDialect implements Dialect {
  constructor(
    private readonly parts: DialectParts,
    private readonly execute: Execute,
  ) {}

  createAdapter(): DialectAdapter {
    return this.parts.createAdapter();
  }

  createDriver(): Driver {
    return new ExecuteDriver(this.execute);
  }

  createQueryCompiler(): QueryCompiler {
    return this.parts.createQueryCompiler();
  }

  createIntrospector(db: Kysely<unknown>): DatabaseIntrospector {
    return this.parts.createIntrospector(db);
  }
}

/** Refuses a query that is plainly no read. What is raw is left to the database, whose session cannot write. */
export function refuseWrite({ query }: CompiledQuery): void {
  if (query.kind === 'SelectQueryNode' || query.kind === 'RawNode') return;
  throw new Error('this connection only reads: send writes to Database.write');
}

/** The {@link Execute} of a connection that only compiles. */
export function refuseAll(): Promise<never> {
  return Promise.reject(new Error('this connection only compiles'));
}

class ExecuteDriver implements Driver {
  private readonly connection: DatabaseConnection;

  constructor(execute: Execute) {
    this.connection = {
      executeQuery: <Row>(query: CompiledQuery) => execute(query) as Promise<QueryResult<Row>>,
      streamQuery: () => {
        throw new Error('queries are not streamed: page by keyset');
      },
    };
  }

  async init(): Promise<void> {}

  acquireConnection(): Promise<DatabaseConnection> {
    return Promise.resolve(this.connection);
  }

  beginTransaction(): Promise<void> {
    return Promise.reject(new Error('a transaction is one call: use Database.write'));
  }

  async commitTransaction(): Promise<void> {}

  async rollbackTransaction(): Promise<void> {}

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {}
}
