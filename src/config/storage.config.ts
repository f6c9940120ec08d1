import { resolve } from 'node:path';
import { IsNotEmpty } from 'class-validator';
import { Secret, Setting } from './setting.decorator.js';

function databaseUrl(text: string): string | null {
  if (text === '') return null;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !['postgres:', 'postgresql:'].includes(url.protocol)) {
    throw new Error('must look like postgres://user:password@host:5432/database');
  }
  return text;
}

/** Where the database lives. */
export class StorageConfig {
  /** PostgreSQL, as a connection URI; null: SQLite in the data directory. A secret, because it carries the login. */
  @Secret('DATABASE_URL', '', databaseUrl)
  readonly databaseUrl!: string | null;

  /** Absolute path of the directory for the SQLite file and generated keys. */
  @Setting('DATA_DIR', 'data', (text) => (text === '' ? '' : resolve(text)))
  @IsNotEmpty({ message: 'must be a directory' })
  readonly dataDir!: string;
}
