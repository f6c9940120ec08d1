import { afterAll, beforeAll } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { type Postgres, startPostgres } from '../support/postgres.js';
import { describeWith } from '../support/services.js';
import { describeDatabase } from './describe-database.js';
import { createPostgres } from './postgres.js';

Logger.overrideLogger(false);

describeWith(['postgres'], 'A server', () => {
  let server: Postgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.remove());

  describeDatabase('PostgreSQL', () => createPostgres(server));
});
