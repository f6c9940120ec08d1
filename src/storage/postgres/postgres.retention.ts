import type { RetentionConfig } from '../../config/retention.config.js';
import type { Database } from '../database.js';
import { Retention, type RetentionReport } from '../retention.js';

/** Retention on PostgreSQL. */
export class PostgresRetention extends Retention {
  constructor(
    readonly database: Database,
    readonly config: RetentionConfig,
  ) {
    super();
  }

  override run(): Promise<RetentionReport> {
    return Promise.reject(new Error('not built yet'));
  }
}
