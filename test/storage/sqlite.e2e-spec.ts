import { Logger } from '@nestjs/common';
import { describeDatabase } from './describe-database.js';
import { createSqlite } from './sqlite.js';

Logger.overrideLogger(false);

describeDatabase('SQLite', createSqlite);
