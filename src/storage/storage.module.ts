import { Global, Module } from '@nestjs/common';
import { AccessMode } from '../config/access.mode.js';
import { BrokerConfig } from '../config/broker.config.js';
import { RetentionConfig } from '../config/retention.config.js';
import { StorageConfig } from '../config/storage.config.js';
import { Database } from './database.js';
import { Retention } from './retention.js';

/** Each database is loaded only where it is used. With the embedded broker a PostgreSQL database is ours alone. */
async function openDatabase(config: StorageConfig, broker: BrokerConfig, mode: AccessMode): Promise<Database> {
  const createsDevices = mode.registration === 'open';
  if (config.databaseUrl !== null) {
    const { PostgresDatabase } = await import('./postgres/postgres.database.js');
    return new PostgresDatabase(config.databaseUrl, {
      exclusive: broker.url === null,
      createsDevices,
    });
  }
  const { SqliteDatabase } = await import('./sqlite/sqlite.database.js');
  return new SqliteDatabase(config, { createsDevices });
}

async function openRetention(database: Database, config: RetentionConfig, storage: StorageConfig): Promise<Retention> {
  if (storage.databaseUrl !== null) {
    const { PostgresRetention } = await import('./postgres/postgres.retention.js');
    return new PostgresRetention(database, config, storage.databaseUrl);
  }
  const { SqliteRetention } = await import('./sqlite/sqlite.retention.js');
  return new SqliteRetention(database, config);
}

/** Provides {@link Database} everywhere, open from module initialisation to application shutdown. */
@Global()
@Module({
  providers: [
    { provide: Database, useFactory: openDatabase, inject: [StorageConfig, BrokerConfig, AccessMode] },
    { provide: Retention, useFactory: openRetention, inject: [Database, RetentionConfig, StorageConfig] },
  ],
  exports: [Database],
})
export class StorageModule {}
