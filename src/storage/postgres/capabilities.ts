import { type Kysely, sql } from 'kysely';
import type { DatabaseCapabilities } from '../database.js';
import type { Schema } from '../schema.js';

interface Settings {
  readonly version: string;
  readonly fsync: string;
  readonly pages: string;
  readonly commit: string;
}

/** What the server promises as it is set now. `synchronous_commit = off` is overruled in our own sessions. */
export async function capabilitiesOf(database: Kysely<Schema>): Promise<DatabaseCapabilities> {
  const { rows } = await sql<Settings>`
    select current_setting('server_version') as version, current_setting('fsync') as fsync,
      current_setting('full_page_writes') as pages, current_setting('synchronous_commit') as commit`.execute(database);
  const { version, fsync, pages, commit } = rows[0]!;
  return {
    kind: 'postgresql',
    version: version.split(' ', 1)[0]!,
    shared: true,
    commitSurvives: fsync === 'on' && pages === 'on' && commit !== 'off' ? 'power-loss' : 'process-crash',
  };
}
