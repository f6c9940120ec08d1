import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { Database } from '../../src/storage/database.js';
import { PostgresDatabase } from '../../src/storage/postgres/postgres.database.js';
import { type Postgres, startPostgres } from '../support/postgres.js';
import { temporaryDirectory } from '../support/process.js';
import { describeWith } from '../support/services.js';
import { sqliteIn } from './sqlite.js';
import { event, reading } from './test-database.js';

Logger.overrideLogger(false);

/** What a database does that is told to create no devices. `open`: a new, empty one. */
function itLeavesDevicesUnknown(open: () => Promise<Database & { close(): Promise<void> }>): void {
  let database: Awaited<ReturnType<typeof open>>;
  beforeEach(async () => {
    database = await open();
  });
  afterEach(() => database.close());

  const devices = () => database.point.selectFrom('devices').select(['id', 'link']).orderBy('id').execute();
  const create = (id: string, link: 'native' | 'foreign') =>
    database.write([database.sql.insertInto('devices').values({ id, link, created_at: 1 }).compile()]);

  it('stores what an unknown device sends, and leaves it unknown', async () => {
    const verdicts = [
      ...(await database.appendReadings([reading({ deviceId: 'a', key: '1' }), reading({ deviceId: 'b', key: '1' })])),
      // Recognised as a duplicate, by the other statement of PostgreSQL.
      ...(await database.appendReadings([reading({ deviceId: 'a', key: '1' }), reading({ deviceId: 'a', key: '2' })])),
      ...(await database.appendEvents([event({ deviceId: 'c' })])),
    ];
    expect(verdicts.map(({ outcome }) => outcome)).toEqual(['stored', 'stored', 'duplicate', 'stored', 'stored']);
    expect(await devices()).toEqual([]);
  });

  it('raises the link of one that is known from foreign to native, also after it was created anew', async () => {
    await create('f', 'foreign');
    await create('g', 'foreign');
    await create('n', 'native');
    const links: readonly (readonly [string, 'native' | 'foreign'])[] = [
      ['f', 'native'],
      ['g', 'foreign'],
      ['n', 'foreign'],
      ['f', 'foreign'],
    ];
    await database.appendReadings(links.map(([deviceId, link]) => reading({ deviceId, link })));
    const expected = [
      { id: 'f', link: 'native' },
      { id: 'g', link: 'foreign' },
      { id: 'n', link: 'native' },
    ];
    expect(await devices()).toEqual(expected);
    await database.write([database.sql.deleteFrom('devices').where('id', '=', 'f').compile()]);
    await create('f', 'foreign');
    await database.appendReadings([reading({ deviceId: 'f', link: 'native' })]);
    expect(await devices()).toEqual(expected);
  });
}

describe('SQLite that creates no devices', () => {
  const directory = temporaryDirectory();
  let n = 0;
  afterAll(() => directory.remove());
  itLeavesDevicesUnknown(async () => {
    const database = sqliteIn(`${directory.path}/${n++}`, {}, { createsDevices: false });
    await database.onModuleInit();
    return database;
  });
});

describeWith(['postgres'], 'PostgreSQL that creates no devices', () => {
  let server: Postgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.remove());
  itLeavesDevicesUnknown(async () => {
    const database = new PostgresDatabase(await server.createDatabase(), { exclusive: false, createsDevices: false });
    await database.onModuleInit();
    return database;
  });
});
