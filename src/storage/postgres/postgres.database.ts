import { Kysely, PostgresAdapter, DummyDriver, PostgresIntrospector, PostgresQueryCompiler, sql } from 'kysely';
import { Database, type DatabaseCapabilities, type StatementResult } from '../database.js';
import type { Verdict } from '../log.js';
import type { Schema } from '../schema.js';

export interface PostgresOptions {
  /** One replica at a time may use the database: the broker is embedded, so what one replica takes in the others would not see. */
  readonly exclusive: boolean;
}

/** The database on a PostgreSQL server. */
export class PostgresDatabase extends Database {
  readonly status = 'starting';
  readonly point = new Kysely<Schema>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  });
  readonly scan = this.point;
  readonly sql = this.point;
  readonly now = sql<number>`(extract(epoch from clock_timestamp()) * 1000)::bigint`;
  readonly capabilities: DatabaseCapabilities = {
    kind: 'postgresql',
    version: '',
    shared: true,
    commitSurvives: 'power-loss',
  };

  constructor(
    readonly url: string,
    readonly options: PostgresOptions,
  ) {
    super();
  }

  override write(): Promise<StatementResult[]> {
    return Promise.reject(new Error('not built yet'));
  }

  override appendReadings(): Promise<Verdict[]> {
    return Promise.reject(new Error('not built yet'));
  }

  override appendEvents(): Promise<Verdict[]> {
    return Promise.reject(new Error('not built yet'));
  }

  override appendRejects(): Promise<Verdict[]> {
    return Promise.reject(new Error('not built yet'));
  }

  override onNews(): () => void {
    return () => {};
  }
}
