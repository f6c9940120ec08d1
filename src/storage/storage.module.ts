import { Global, Module } from '@nestjs/common';
import { RetentionConfig } from '../config/retention.config.js';
import { StorageConfig } from '../config/storage.config.js';
import { Database } from './database.js';
import { Retention } from './retention.js';
import { SqliteDatabase } from './sqlite/sqlite.database.js';
import { SqliteRetention } from './sqlite/sqlite.retention.js';

/** Provides {@link Database} everywhere, open from module initialisation to application shutdown. */
@Global()
@Module({
  providers: [
    { provide: Database, useFactory: (config: StorageConfig) => new SqliteDatabase(config), inject: [StorageConfig] },
    {
      provide: Retention,
      useFactory: (database: Database, config: RetentionConfig) => new SqliteRetention(database, config),
      inject: [Database, RetentionConfig],
    },
  ],
  exports: [Database],
})
export class StorageModule {}
