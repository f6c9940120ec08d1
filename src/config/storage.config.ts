import { resolve } from 'node:path';
import { IsNotEmpty } from 'class-validator';
import { Setting } from './setting.decorator.js';

/** Where the database lives. */
export class StorageConfig {
  /** Absolute path of the directory for the SQLite file and generated keys. */
  @Setting('DATA_DIR', 'data', (text) => (text === '' ? '' : resolve(text)))
  @IsNotEmpty({ message: 'must be a directory' })
  readonly dataDir!: string;
}
