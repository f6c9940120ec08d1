import { type Kysely, type RawBuilder, sql, type SqlBool } from 'kysely';
import type { Tags } from '../common/access.js';
import type { Database, Statement } from '../storage/database.js';
import type { DeviceLink } from '../storage/log.js';
import type { Schema } from '../storage/schema.js';
import type { NewDevice, RegistryEntry } from './registry.device.js';

/** A credential on its way into the database. */
export interface NewCredential {
  readonly id: string;
  readonly deviceId: string;
  readonly hash: string;
}

/** Most devices that wait for approval; more are refused until some are approved or deleted. */
export const MOST_PENDING = 1_000;

/**
 * Fails the job where the condition does not hold: the one way in which a job of statements can be made to depend on what it
 * finds. The condition may not depend on rows that others change unless {@link locked} went before.
 */
export function demand(db: Kysely<Schema>, condition: RawBuilder<SqlBool>): Statement {
  return sql`insert into device_tags (device_id, "key", "value") select null, '', '' where not (${condition})`.compile(
    db,
  );
}

/** Where several replicas write: from here on the job is the only one that changes this device. */
export function locked({ sql: db, capabilities }: Database, id: string): Statement[] {
  if (!capabilities.shared) return [];
  return [
    db
      .updateTable('devices')
      .set((eb) => ({ version: eb.ref('version') }))
      .where('id', '=', id)
      .compile(),
  ];
}

/** The device is there, in this version. */
export function isAt({ id, version }: Pick<RegistryEntry, 'id' | 'version'>): RawBuilder<SqlBool> {
  return sql<SqlBool>`exists (select 1 from devices where id = ${id} and version = ${version})`;
}

/** Creates the devices with their tags, as rows that must not be there yet. Of an earlier device with the same id nothing shows but its readings. */
export function insertDevices(db: Kysely<Schema>, devices: readonly NewDevice[], at: number): Statement[] {
  const tags = devices.flatMap((device) => tagRows(device.id, device.tags));
  const ids = devices.map(({ id }) => id);
  return [
    db
      .insertInto('devices')
      .values(devices.map(({ id, name, type }) => ({ id, link: 'native' as const, created_at: at, name, type })))
      .compile(),
    // What was in flight while that one was deleted.
    db.deleteFrom('latest').where('device_id', 'in', ids).compile(),
    ...(tags.length > 0 ? [db.insertInto('device_tags').values(tags).compile()] : []),
  ];
}

/** Creates a device that waits for approval, where it is unknown and there are not too many of them. */
export function insertPending(db: Kysely<Schema>, id: string, link: DeviceLink, at: number): Statement {
  return sql`
    insert into devices (id, link, created_at, approved)
    select cast(${id} as text), cast(${link} as text), cast(${at} as bigint), 0
    where (select count(*) from devices where approved = 0) < ${sql.lit(MOST_PENDING)}
    on conflict (id) do nothing`.compile(db);
}

/** Makes the tags of a device what they shall be. */
export function replaceTags(db: Kysely<Schema>, id: string, before: Tags, after: Tags): Statement[] {
  const gone = Object.keys(before).filter((key) => !Object.hasOwn(after, key));
  const rows = tagRows(id, after).filter(({ key, value }) => !Object.hasOwn(before, key) || before[key] !== value);
  const statements: Statement[] = [];
  if (gone.length > 0) {
    statements.push(db.deleteFrom('device_tags').where('device_id', '=', id).where('key', 'in', gone).compile());
  }
  if (rows.length > 0) {
    statements.push(
      db
        .insertInto('device_tags')
        .values(rows)
        .onConflict((conflict) =>
          conflict.columns(['device_id', 'key']).doUpdateSet((eb) => ({ value: eb.ref('excluded.value') })),
        )
        .compile(),
    );
  }
  return statements;
}

/** Creates credentials that are valid until they are revoked. */
export function insertCredentials(db: Kysely<Schema>, credentials: readonly NewCredential[], at: number): Statement {
  return db
    .insertInto('credentials')
    .values(
      credentials.map(({ id, deviceId, hash }) => ({
        id,
        device_id: deviceId,
        hash,
        created_at: at,
        expires_at: null,
      })),
    )
    .compile();
}

/** Removes all that the registry keeps of a device, and what it said last; what it sent stays. */
export function deleteDevice(db: Kysely<Schema>, id: string): Statement[] {
  return [
    db.deleteFrom('credentials').where('device_id', '=', id).compile(),
    db.deleteFrom('device_tags').where('device_id', '=', id).compile(),
    db.deleteFrom('latest').where('device_id', '=', id).compile(),
    db.deleteFrom('devices').where('id', '=', id).compile(),
    // Telling these would bring it back.
    db.deleteFrom('presence_changes').where('device_id', '=', id).compile(),
  ];
}

function tagRows(id: string, tags: Tags) {
  return Object.entries(tags).map(([key, value]) => ({ device_id: id, key, value }));
}
